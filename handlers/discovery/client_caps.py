"""XEP-0115 and XEP-0390, the other way round: the server learns what its clients support from their presence.

A client announces a hash. The first one that announces a hash is asked for its features (service discovery). If the
answer has that hash, it counts for all who announce it, else for that client alone. A client whose connection breaks
meanwhile is asked again on the next one; if its session ends, those who waited for its answer go on without.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from lxml import etree

from handlers.discovery.announced_caps import C2, Announced, C, announced_in
from handlers.discovery.caps_hashes import Hash
from xmpp.config.configuration import setting
from xmpp.data import names
from xmpp.data.disco import INFO, INFO_QUERY, Info
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import wire
from xmpp.routing.delivery import Delivery, concerns
from xmpp.routing.feature import Feature
from xmpp.routing.tables import Table

if TYPE_CHECKING:
    from xmpp.routing.servers import Server
    from xmpp.routing.session import Session

log = logging.getLogger(__name__)

FEATURE_BYTES = 64  # that a feature takes in memory beside its characters
STREAM_LANGUAGE = "en"  # if the client names no other


@dataclass(frozen=True)
class ClientCapsSettings:
    """What clients support: learned from their presence, and by asking."""

    answer_seconds: int = setting(30, "How long a client may take to say what it supports.", minimum=1, maximum=3_600)
    max_bytes: int = setting(65_536, "How long the features of one client may be together.",
                             minimum=1_000, maximum=10_000_000, at_most="known_bytes")  # fmt: skip
    known_bytes: int = setting(4 << 20, "How much is remembered for all clients that announce the same hash.",
                               minimum=65_536, maximum=1 << 30)  # fmt: skip


feature = Feature("client_caps", xep="0115", settings=ClientCapsSettings)

# f(session, features): what its client supports is known, or has changed.
CAPS_KNOWN = Table[Callable[["Session", frozenset[str]], None]]("CAPS_KNOWN")


class Capabilities:
    """What is known of one session's client."""

    __slots__ = ("announced", "features", "is_waiting", "asked_for_all")

    def __init__(self) -> None:
        self.announced: Announced | None = None  # last
        self.features: frozenset[str] | None = None  # None: unknown
        self.is_waiting = False  # for its own answer, or for that of another session
        self.asked_for_all: Hash | None = None  # the hash for which others may wait for its answer


class Known:
    """The features behind proven hashes, those used last; and which sessions wait for which hash. A server has one."""

    def __init__(self) -> None:
        self.waiting: dict[Hash, list[Session]] = {}  # for the answer of the session that was asked first
        self._features: OrderedDict[Hash, frozenset[str]] = OrderedDict()
        self._size = 0  # bytes, about

    def features(self, hash: Hash) -> frozenset[str] | None:
        """The features behind this hash; None if they are unknown."""
        found = self._features.get(hash)
        if found is not None:
            self._features.move_to_end(hash)
        return found

    def remember(self, hash: Hash, features: frozenset[str], most: int) -> None:
        """Remember the features behind a hash. Others are forgotten if all take more than `most` bytes."""
        if hash in self._features:
            return
        self._features[hash] = features
        self._size += size_of(features)
        while self._size > most and len(self._features) > 1:
            _, forgotten = self._features.popitem(last=False)
            self._size -= size_of(forgotten)


def size_of(features: Iterable[str]) -> int:
    """About how many bytes of memory features take."""
    return sum(len(each) + FEATURE_BYTES for each in features)


def features_of(server: "Server", jid: JID) -> frozenset[str]:
    """What the client at this full address supports; empty if it has no session here, or that is unknown. No query."""
    session = server.online.session(jid)
    state = session.state(Capabilities) if session is not None else None
    return state.features or frozenset() if state is not None else frozenset()


def supports(session: "Session", feature: str) -> bool:
    """True if it is known that the session's client supports this. No query."""
    state = session.state(Capabilities)
    return state is not None and state.features is not None and feature in state.features


def question(announced: Announced) -> bytes:
    """The disco#info query for what a client has announced (XEP-0115 section 6.2, XEP-0390 section 5.5)."""
    return wire(etree.Element(INFO_QUERY, node=announced.node, nsmap={None: INFO}))


def features_in(reply: Stanza | None, hash: Hash | None, most: int) -> tuple[frozenset[str] | None, bool]:
    """The features in an answer, None if it is malformed, an error, or longer than `most` bytes; and whether they are
    proven to be those of the hash.

    An inherited xml:lang counts for the hash (XEP-0390 section 4.1), but not all clients know that: either will do.
    """
    query = reply.child(INFO_QUERY) if reply is not None and reply.type == "result" else None
    if reply is None or query is None:
        return None, False
    try:
        readings = [Info.read(query, language) for language in ("", reply.element.get(names.XML_LANG, STREAM_LANGUAGE))]
    except ValueError:
        return None, False
    features = readings[0].features
    if size_of(features) > most:
        return None, False
    return features, hash is not None and any(hash.is_proven_by(query, info) for info in readings)


# -- steps


@feature.step
def begin_anew(session: "Session") -> None:
    """SESSION_AVAILABLE: forget what was known, so that CAPS_KNOWN runs again for this client."""
    state = session.state(Capabilities)
    if state is not None:
        state.announced = state.features = None


@feature.step
def ask_again(session: "Session") -> None:
    """SESSION_RESUMED: ask a client again that has not answered yet."""
    if session.presence is not None:
        _note(session, session.presence)


@feature.step
def let_others_go_on(session: "Session") -> None:
    """SESSION_ENDED: those who wait for this session's answer go on without."""
    state = session.state(Capabilities)
    if state is not None and state.asked_for_all is not None:
        for other in _others_waiting(session.server, state):
            _go_on(other, asks_itself=False)


@feature.step
@concerns(C, C2)
def note_announced(delivery: Delivery) -> None:
    """PRESENCE_SENT: look up what the client announces, or ask it.

    Presence that announces nothing changes nothing (XEP-0115 section 8.4, XEP-0390 section 6.2).
    """
    stanza, session = delivery.stanza, delivery.session
    if stanza.to is not None or stanza.type is not None:
        return
    _note(session, stanza)


def _note(session: "Session", presence: Stanza) -> None:
    announced = announced_in(presence)
    if announced is None:
        return
    state = session.state(Capabilities)
    if state is None:
        state = Capabilities()
        session.keep(state)
    if announced != state.announced:
        state.announced = announced
        _learn(session, state)


# -- asking


def _learn(session: "Session", state: Capabilities) -> None:
    """Find out what a client supports: known already, awaited from another session, or asked now. If the client
    announces something else meanwhile, that follows when this is done."""
    announced = state.announced
    if announced is None or state.is_waiting or not _is_online(session):
        return
    known, hash = session.server.state(Known), announced.hash
    features = known.features(hash) if hash is not None else None
    if features is not None:
        _settle(session, state, features)
    elif hash is not None and hash in known.waiting:
        state.is_waiting = True
        known.waiting[hash].append(session)
    else:
        if hash is not None:
            known.waiting[hash] = []
        state.asked_for_all = hash
        _ask(session, state, announced)


def _ask(session: "Session", state: Capabilities, announced: Announced) -> None:
    state.is_waiting = True
    session.server.requests.ask(
        "get",
        question(announced),
        to=session.jid,
        sender=JID.parse(session.account.domain),
        seconds=session.server.settings(ClientCapsSettings).answer_seconds,
        on_reply=partial(_answered, session, state, announced, session.connection),
    )


def _answered(
    session: "Session", state: Capabilities, announced: Announced, asked_on: object, reply: Stanza | None
) -> None:
    """Take a client's answer, None if none came in time, for it and for those who wait for it. `asked_on`: the
    connection that it was asked on."""
    if not _is_online(session):
        return  # let_others_go_on has run
    known, settings, hash = session.server.state(Known), session.server.settings(ClientCapsSettings), announced.hash
    others = _others_waiting(session.server, state)
    features, is_proven = features_in(reply, hash, settings.max_bytes)
    if hash is not None and features is not None and is_proven:
        known.remember(hash, features, settings.known_bytes)
        others += known.waiting.pop(hash, [])  # those who wait for another session that was asked the same
    state.is_waiting = False
    if state.announced != announced:
        _withdraw(session, state, features)
        _learn(session, state)
    elif features is None and session.connection not in (None, asked_on):
        _learn(session, state)  # it was asked on a connection that broke
    elif features is None:
        state.announced = None  # so that it is asked again with its next presence
    else:
        _settle(session, state, features)
    for other in others:
        _go_on(other, asks_itself=not is_proven)


def _others_waiting(server: "Server", state: Capabilities) -> "list[Session]":
    """The sessions that wait for this one's answer, which do so no longer."""
    hash, state.asked_for_all = state.asked_for_all, None
    return server.state(Known).waiting.pop(hash, []) if hash is not None else []


def _withdraw(session: "Session", state: Capabilities, features: frozenset[str] | None) -> None:
    """Take the answer of a client that announces something else by now: it supports no more than that, so that what
    comes back with the next answer counts as new."""
    if features is not None and state.features is not None:
        _settle(session, state, state.features & features)


def _go_on(session: "Session", *, asks_itself: bool) -> None:
    """Have a session go on that has waited for another's answer. `asks_itself`: that answer was of no use, so this one
    is asked without waiting for others: else a few could keep all others waiting for long."""
    state = session.state(Capabilities)
    assert state is not None
    state.is_waiting = False
    if asks_itself and state.announced is not None and _is_online(session):
        _ask(session, state, state.announced)
    else:
        _learn(session, state)


def _settle(session: "Session", state: Capabilities, features: frozenset[str]) -> None:
    """Run CAPS_KNOWN with what a client supports, if that is new."""
    if features == state.features or not _is_online(session):
        return
    state.features = features
    for step in session.server.tables[CAPS_KNOWN]:
        try:
            step(session, features)
        except Exception:  # the other steps, and the sessions that wait for this answer, have to go on
            log.exception("%r: what its client supports could not be heeded", session)


def _is_online(session: "Session") -> bool:
    return session.server.online.session(session.jid) is session
