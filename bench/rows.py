"""What is measured, as data: each row of the table, the load that makes it, and the mark it is to reach."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bench.servers import (
    ARCHIVE,
    FILES,
    LINKS,
    PRESENCE,
    ROOMS,
    ROOMS_HOST,
    SASL2,
    SCRAM,
    STREAM_MANAGEMENT,
    TLS,
    WEBSOCKET,
)


@dataclass(frozen=True)
class Figure:
    """A number out of the load generator's JSON."""

    key: str
    unit: str
    factor: float = 1.0

    @property
    def digits(self) -> int:
        """How many decimals are worth printing."""
        return {"us": 1, "us to send": 1, "us to take": 1, "ms": 2, "s": 2, "KiB": 1}.get(self.unit, 0)

    def text(self, value: float) -> str:
        """The number with its unit."""
        return f"{value:,.{self.digits}f} {self.unit}"


# CPU seconds of the server for 1,000 operations are milliseconds for one.
MESSAGE = Figure("server_cpu_s_per_1000_messages", "us", 1000)
PING = Figure("server_cpu_s_per_1000_pings", "us", 1000)
PRESENCES = Figure("server_cpu_s_per_1000_presences", "us", 1000)
GROUPCHAT = Figure("server_cpu_s_per_1000_groupchats", "us", 1000)
JOIN = Figure("server_cpu_s_per_1000_joins", "ms")
LEAVING = Figure("server_cpu_s_per_1000_leaves", "ms")
JOIN_AT_ONCE = Figure("server_cpu_s_per_1000_joins_at_once", "ms")
UNTIL_ALL_ARE_IN = Figure("seconds_until_all_are_in", "s")
LOGIN = Figure("server_cpu_s_per_1000_logins", "ms")
ROUND_TRIPS = Figure("round_trips", "round trips")
P99 = Figure("latency_ms_p99", "ms")
MEGABYTES = Figure("megabytes_per_server_cpu_s", "MB per CPU second")
MEGABYTES_OF_NGINX = Figure("nginx_megabytes_per_server_cpu_s", "MB per CPU second of nginx")
PAGE = Figure("server_cpu_s_per_1000_pages", "us", 1000)
RATE = Figure("messages_per_s", "per s")
NEAR_SIDE = Figure("near_cpu_s_per_1000_messages", "us to send", 1000)
FAR_SIDE = Figure("far_cpu_s_per_1000_messages", "us to take", 1000)
LINK_RATE = Figure("messages_per_busier_cpu_s", "per s of a core for each")
UNTIL_ALL_ARE_UP = Figure("seconds_until_all_are_up", "s")
UNTIL_ALL_HAVE_ANSWERED = Figure("seconds_until_all_have_answered", "s")
LINK_CPU = Figure("server_cpu_s_per_1000_are_up", "ms")
LINK_MEMORY = Figure("kib_per_link_that_are_up", "KiB")
ANSWER_CPU = Figure("server_cpu_s_per_1000_have_answered", "ms")
ANSWER_MEMORY = Figure("kib_per_link_that_have_answered", "KiB")
MEMORY = Figure("kib_per_connection", "KiB")
OCCUPANT_MEMORY = Figure("kib_per_occupant", "KiB")
ROOM_MEMORY = Figure("kib_per_room", "KiB")

Medians = Mapping[tuple[str, str, str], float]
"""By server, row and the figure's key."""


@dataclass(frozen=True)
class Verdict:
    """Whether a mark is reached, and how far away it is: 0.25 is a quarter too much, or too little."""

    text: str
    missed_by: float

    @property
    def is_hit(self) -> bool:
        return self.missed_by <= 0


@dataclass(frozen=True)
class AtMost:
    """An upper limit for a figure."""

    limit: float
    figure: Figure

    def verdict(self, row: str, medians: Medians) -> Verdict | None:
        """What it comes to for xserv; None where something it takes was not measured."""
        value = medians.get(("xserv", row, self.figure.key))
        if value is None:
            return None
        return Verdict(f"at most {self.limit:g} {self.figure.unit}", value / self.limit - 1)


@dataclass(frozen=True)
class AtLeast:
    """A lower limit for a figure."""

    limit: float
    figure: Figure

    def verdict(self, row: str, medians: Medians) -> Verdict | None:
        """As AtMost.verdict."""
        value = medians.get(("xserv", row, self.figure.key))
        if value is None:
            return None
        return Verdict(f"at least {self.limit:,.0f} {self.figure.unit}", 1 - value / self.limit)


@dataclass(frozen=True)
class TimesFloor:
    """At most so many times what a row costs the floor, which has only the plainest of them; there by another figure,
    if one is named."""

    factor: float
    floor_row: str
    figure: Figure = MESSAGE
    floor_figure: Figure | None = None

    def verdict(self, row: str, medians: Medians) -> Verdict | None:
        """As AtMost.verdict."""
        value = medians.get(("xserv", row, self.figure.key))
        floor = medians.get(("floor", self.floor_row, (self.floor_figure or self.figure).key))
        if value is None or not floor:
            return None
        times = value / floor
        return Verdict(f"{times:.2f} x floor, at most {self.factor:g}", times / self.factor - 1)


@dataclass(frozen=True)
class TimesUnder:
    """At least so many times less than what the same row costs another server."""

    factor: float
    server: str
    figure: Figure = MESSAGE

    def verdict(self, row: str, medians: Medians) -> Verdict | None:
        """As AtMost.verdict."""
        value = medians.get(("xserv", row, self.figure.key))
        other = medians.get((self.server, row, self.figure.key))
        if not value or other is None:
            return None
        times = other / value
        return Verdict(f"{times:.1f} x under {self.server}, at least {self.factor:g}", 1 - times / self.factor)


@dataclass(frozen=True)
class TimesRow:
    """At most so many times what another row costs xserv."""

    factor: float
    other_row: str
    title: str
    figure: Figure

    def verdict(self, row: str, medians: Medians) -> Verdict | None:
        """As AtMost.verdict."""
        value = medians.get(("xserv", row, self.figure.key))
        other = medians.get(("xserv", self.other_row, self.figure.key))
        if value is None or not other:
            return None
        times = value / other
        return Verdict(f"{times:.2f} x {self.title}, at most {self.factor:g}", times / self.factor - 1)


Mark = AtMost | AtLeast | TimesFloor | TimesUnder | TimesRow


@dataclass(frozen=True)
class Row:
    """A line of the table. `load` is the load generator's sub-command with its options; `before` is one too, for an
    earlier process of the server, which is ended then: what it has kept is there. Rows that follow each other and have
    both in common are measured in one go."""

    name: str
    title: str
    load: tuple[str, ...]
    figures: tuple[Figure, ...]
    marks: tuple[Mark, ...]
    needs: frozenset[str] = frozenset()
    before: tuple[str, ...] = ()
    over_websocket: bool = False
    over_links: str = ""
    """PLAIN or ENCRYPTED: the server is one among others, and they are how its links to them are."""

    @property
    def has_archive(self) -> bool:
        """Whether everything is archived meanwhile."""
        return ARCHIVE in self.needs

    def verdicts(self, medians: Medians) -> Iterator[Verdict]:
        """What its marks come to, those that can be told."""
        for mark in self.marks:
            verdict = mark.verdict(self.name, medians)
            if verdict:
                yield verdict


PLAIN, ENCRYPTED = "without TLS", "TLS"
PAIRS = ("throughput", "--pairs", "50", "--window", "16")
PACED = (*PAIRS, "--rate", "1000")
MANY_DOMAINS = ("domains", "--domains", "1000")
LOGINS = ("connect", "--clients", "500", "--mech", "SCRAM-SHA-1", "--full")
IDLE = ("idle", "--clients", "5000")
ROOM = ("--muc-host", ROOMS_HOST, "--mech", "SCRAM-SHA-1")  # by which thousands are logged in sooner than by PLAIN
IN_A_ROOM = ("muc", *ROOM, "--occupants")
MANY_MEMBERS = ("muc-make", *ROOM, "--room", "crowd", "--members", "4999")
ENTERING = ("muc-join", *ROOM, "--room", "crowd")
MEMORY_OF_ROOMS = ("muc-idle", *ROOM, "--quiet")
EMPTY_ROOMS = (
    *MEMORY_OF_ROOMS,
    "--room",
    "empty",
    "--empty",
    "--rooms",
    "2000",
    "--before",
    "1000",
    "--clients",
    "100",
)


def no_dearer(figure: Figure) -> tuple[Mark, ...]:
    """Nothing in a room costs more than elsewhere."""
    return TimesUnder(1, "ejabberd", figure), TimesUnder(1, "Prosody", figure)


MARKS_OF_A_LINK: tuple[Mark, ...] = tuple(
    mark
    for side in (NEAR_SIDE, FAR_SIDE)
    for mark in (TimesFloor(2.5, "messages", side, MESSAGE), *no_dearer(side))
)

ROWS = (
    Row(
        "messages",
        "1:1 message, full address",
        PAIRS,
        (MESSAGE,),
        (TimesFloor(2, "messages"), TimesUnder(4, "ejabberd")),
    ),
    Row(
        "messages-tls",
        "the same over TLS",
        (*PAIRS, "--tls"),
        (MESSAGE,),
        (TimesFloor(2, "messages"), TimesUnder(4, "ejabberd")),
        needs=frozenset({TLS}),
    ),
    Row(
        "messages-websocket",
        "the same over WebSocket",
        PAIRS,
        (MESSAGE,),
        (TimesRow(1.5, "messages", "over TCP", MESSAGE),),
        needs=frozenset({WEBSOCKET}),
        over_websocket=True,
    ),
    Row(
        "messages-sm",
        "with stream management and carbons",
        (*PAIRS, "--sm", "--carbons"),
        (MESSAGE,),
        (TimesFloor(2.4, "messages"),),
        needs=frozenset({STREAM_MANAGEMENT}),
    ),
    Row(
        "messages-archived",
        "bare address, archived for both sides",
        (*PAIRS, "--bare"),
        (MESSAGE, RATE),
        (TimesFloor(4.5, "messages"), AtLeast(20_000, RATE)),
        needs=frozenset({ARCHIVE}),
    ),
    Row(
        "paced",
        "1,000 messages/s in all",
        PACED,
        (MESSAGE, P99),
        (TimesFloor(1.7, "paced"), AtMost(1, P99)),
    ),
    Row(
        "paced-archived",
        "the same, archived for both sides",
        PACED,
        (MESSAGE, P99, RATE),
        (AtMost(300, MESSAGE), AtMost(3, P99)),
        needs=frozenset({ARCHIVE}),
    ),
    Row(
        "link",
        "1:1 message to another server, and from there, per side",
        PAIRS,
        (NEAR_SIDE, FAR_SIDE, LINK_RATE),
        (*MARKS_OF_A_LINK, AtLeast(20_000, LINK_RATE)),
        needs=frozenset({LINKS}),
        over_links=PLAIN,
    ),
    Row(
        "link-tls",
        "the same, with a link over TLS",
        PAIRS,
        (NEAR_SIDE, FAR_SIDE, LINK_RATE),
        MARKS_OF_A_LINK,
        needs=frozenset({LINKS, TLS}),
        over_links=ENCRYPTED,
    ),
    Row(
        "domains",
        "messages to 1,000 other servers at once: until all have arrived; CPU and memory of each link",
        MANY_DOMAINS,
        (UNTIL_ALL_ARE_UP, LINK_CPU, LINK_MEMORY),
        no_dearer(LINK_MEMORY),
        needs=frozenset({LINKS, TLS}),
        over_links=ENCRYPTED,
    ),
    Row(
        "domains-answer",
        "their answers, on streams of their own: the same",
        MANY_DOMAINS,
        (UNTIL_ALL_HAVE_ANSWERED, ANSWER_CPU, ANSWER_MEMORY),
        no_dearer(ANSWER_MEMORY),
        needs=frozenset({LINKS, TLS}),
        over_links=ENCRYPTED,
    ),
    Row("iq", "iq ping", ("iq", "--window", "16"), (PING,), (TimesFloor(2.3, "iq", PING),)),
    Row(
        "presence",
        "presence to 100 online contacts, per delivery",
        ("presence", "--contacts", "100"),
        (PRESENCES,),
        (AtMost(4, PRESENCES),),
        needs=frozenset({PRESENCE}),
    ),
    Row(
        "room",
        "message to a room of 100, per delivery",
        (*IN_A_ROOM, "100"),
        (GROUPCHAT,),
        (TimesFloor(0.5, "messages", GROUPCHAT, MESSAGE), *no_dearer(GROUPCHAT)),
        needs=frozenset({ROOMS}),
    ),
    Row(
        "room-archived",
        "the same, archived",
        (*IN_A_ROOM, "100"),
        (GROUPCHAT,),
        (
            TimesFloor(0.75, "messages", GROUPCHAT, MESSAGE),
            TimesRow(1.5, "room", "without an archive", GROUPCHAT),
            *no_dearer(GROUPCHAT),
        ),
        needs=frozenset({ROOMS, ARCHIVE}),
    ),
    Row(
        "room-large",
        "message to a room of 1,000, per delivery",
        (*IN_A_ROOM, "1000", "--quiet"),
        (GROUPCHAT,),
        (
            TimesFloor(0.5, "messages", GROUPCHAT, MESSAGE),
            TimesRow(1.1, "room", "a room of 100", GROUPCHAT),
            *no_dearer(GROUPCHAT),
        ),
        needs=frozenset({ROOMS}),
    ),
    Row(
        "room-largest",
        "message to a room of 5,000, per delivery",
        (*IN_A_ROOM, "5000", "--quiet"),
        (GROUPCHAT,),
        (
            TimesFloor(0.5, "messages", GROUPCHAT, MESSAGE),
            TimesRow(1.1, "room", "a room of 100", GROUPCHAT),
            *no_dearer(GROUPCHAT),
        ),
        needs=frozenset({ROOMS}),
    ),
    Row(
        "rooms",
        "messages to 1,000 rooms of 10, per delivery",
        ("muc-many", *ROOM),
        (GROUPCHAT,),
        no_dearer(GROUPCHAT),
        needs=frozenset({ROOMS}),
    ),
    Row(
        "room-restart",
        "1,000 enter one room at once after a restart: until all are in; CPU for each",
        ENTERING,
        (UNTIL_ALL_ARE_IN, JOIN_AT_ONCE),
        no_dearer(UNTIL_ALL_ARE_IN),
        needs=frozenset({ROOMS}),
        before=MANY_MEMBERS,
    ),
    Row(
        "room-join",
        "entering that room of 1,000, with 5,000 in its list; leaving it",
        ENTERING,
        (JOIN, LEAVING),
        (AtMost(60, JOIN), *no_dearer(JOIN)),
        needs=frozenset({ROOMS}),
        before=MANY_MEMBERS,
    ),
    Row(
        "room-occupant",
        "an idle occupant of 10,000, in 10 rooms: memory",
        (*MEMORY_OF_ROOMS, "--rooms", "10", "--occupants", "1000"),
        (OCCUPANT_MEMORY,),
        no_dearer(OCCUPANT_MEMORY),
        needs=frozenset({ROOMS}),
    ),
    Row(
        "room-idle",
        "an idle room of 2,000, with its one occupant: memory",
        (*MEMORY_OF_ROOMS, "--rooms", "2000", "--occupants", "1", "--clients", "200"),
        (ROOM_MEMORY,),
        no_dearer(ROOM_MEMORY),
        needs=frozenset({ROOMS}),
    ),
    Row(
        "room-empty",
        "a room of 2,000 that stays, and that all have left: memory",
        EMPTY_ROOMS,
        (ROOM_MEMORY,),
        (AtMost(0.5, ROOM_MEMORY),),
        needs=frozenset({ROOMS}),
        before=(*EMPTY_ROOMS, "--settle", "0"),
    ),
    Row(
        "login",
        "login: SCRAM-SHA-1, roster, presence",
        LOGINS,
        (LOGIN, ROUND_TRIPS),
        (AtMost(0.7, LOGIN),),
        needs=frozenset({SCRAM, PRESENCE}),
    ),
    Row(
        "login-tls",
        "the same over TLS",
        (*LOGINS, "--tls"),
        (LOGIN, ROUND_TRIPS),
        (AtMost(1.7, LOGIN),),
        needs=frozenset({SCRAM, PRESENCE, TLS}),
    ),
    Row(
        "login-sasl2",
        "the same within one round trip (SASL2, Bind 2)",
        (*LOGINS, "--tls", "--profile", "sasl2"),
        (LOGIN, ROUND_TRIPS),
        (TimesRow(1, "login-tls", "over several", LOGIN),),
        needs=frozenset({SCRAM, PRESENCE, TLS, SASL2}),
    ),
    Row(
        "login-fast",
        "the same by a token (FAST)",
        (*LOGINS, "--tls", "--profile", "fast"),
        (LOGIN, ROUND_TRIPS),
        (TimesRow(0.5, "login-tls", "by SCRAM", LOGIN),),
        needs=frozenset({SCRAM, PRESENCE, TLS, SASL2}),
    ),
    Row(
        "login-resumed",
        "the same where an earlier session is resumed",
        (*LOGINS, "--tls", "--profile", "resume"),
        (LOGIN, ROUND_TRIPS),
        (TimesRow(1, "login-tls", "anew", LOGIN),),
        needs=frozenset({SCRAM, STREAM_MANAGEMENT, TLS, SASL2}),
    ),
    Row("idle", "an idle session of 5,000: memory", IDLE, (MEMORY,), (AtMost(30, MEMORY),)),
    Row(
        "idle-tls",
        "the same over TLS",
        (*IDLE, "--tls"),
        (MEMORY,),
        (AtMost(47, MEMORY),),
        needs=frozenset({TLS}),
    ),
    Row(
        "idle-websocket",
        "the same over WebSocket",
        IDLE,
        (MEMORY,),
        (TimesRow(1.25, "idle", "over TCP", MEMORY),),
        needs=frozenset({WEBSOCKET}),
        over_websocket=True,
    ),
    Row(
        "upload",
        "files of 20 MB uploaded (XEP-0363)",
        ("upload",),
        (MEGABYTES, MEGABYTES_OF_NGINX),
        (AtLeast(100, MEGABYTES),),
        needs=frozenset({FILES}),
    ),
    Row(
        "download",
        "a file of 20 MB downloaded",
        ("download",),
        (MEGABYTES, MEGABYTES_OF_NGINX),
        (AtLeast(300, MEGABYTES),),
        needs=frozenset({FILES}),
    ),
    Row(
        "page",
        "the start page, read again and again",
        ("page",),
        (PAGE,),
        (AtMost(2_000, PAGE),),
        needs=frozenset({FILES}),
    ),
)
