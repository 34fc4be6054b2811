"""XEP-0441: accounts say whose messages are archived."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from db import archives
from db.archives import ARCHIVES
from tests.harness.archives import JULIET, MAM, MERCUTIO, ROMEO, ids_in, query, say, server_with_archive, write
from tests.harness.in_process import Client, befriend, online, xml
from xmpp.server import Server

ASK = f"<prefs xmlns='{MAM}'/>"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_with_archive(tmp_path, archive={"max_listed": 3}) as server:
        yield server


@pytest.fixture
def juliet(server: Server) -> Client:
    return online(server, f"{JULIET}/balcony")


def preferences(default: str, always: tuple[str, ...] = (), never: tuple[str, ...] = ()) -> str:
    lists = "".join(
        f"<{name}>{''.join(f'<jid>{jid}</jid>' for jid in jids)}</{name}>"
        for name, jids in (("always", always), ("never", never))
    )
    return f"<prefs xmlns='{MAM}' default='{default}'>{lists}</prefs>"


def prefers(client: Client, default: str, always: tuple[str, ...] = (), never: tuple[str, ...] = ()) -> None:
    answer = client.asks(preferences(default, always, never), type="set")
    assert answer == xml(preferences(default, always, never))


def test_everything_is_archived_until_somebody_says_otherwise(juliet: Client) -> None:
    assert juliet.asks(ASK) == xml(preferences("always"))


def test_what_was_set_is_told_and_outlives_what_is_remembered(server: Server, juliet: Client) -> None:
    prefers(juliet, "roster", (f"{ROMEO}",), ("capulet.example", f"{MERCUTIO}/street"))
    server.db.memory[ARCHIVES].forget(JULIET)
    assert juliet.asks(ASK) == xml(preferences("roster", (f"{ROMEO}",), ("capulet.example", f"{MERCUTIO}/street")))
    prefers(juliet, "never")
    server.db.memory[ARCHIVES].forget(JULIET)
    assert juliet.asks(ASK) == xml(preferences("never"))


@pytest.mark.parametrize(
    ("default", "always", "never", "is_archived"),
    [
        ("always", (), (), True),
        ("never", (), (), False),
        ("roster", (), (), False),
        ("always", (), ("romeo@localhost",), False),
        ("always", (), ("romeo@localhost/orchard",), False),
        ("always", (), ("localhost", "romeo@localhost/elsewhere"), True),
        ("never", ("romeo@localhost",), (), True),
        ("never", ("romeo@localhost/orchard",), (), True),
        ("roster", ("romeo@localhost",), (), True),
        ("always", ("romeo@localhost",), ("romeo@localhost",), False),
    ],
)
def test_whose_messages_are_archived_depends_on_the_lists_then_on_the_default(
    server: Server, juliet: Client, default: str, always: tuple[str, ...], never: tuple[str, ...], is_archived: bool
) -> None:
    romeo = Client(server, f"{ROMEO}/orchard")
    prefers(juliet, default, always, never)
    write(romeo, "<body>hi</body>", to=juliet.jid)
    assert [bool(ids_in(message)) for message in juliet.received()] == [is_archived]
    write(juliet, "<body>ho</body>", to=romeo.jid)
    assert query(juliet).bodies == (["hi", "ho"] if is_archived else [])
    assert query(romeo).bodies == ["hi", "ho"]  # whose archive is another one


def test_roster_means_those_who_are_in_the_roster(server: Server, juliet: Client) -> None:
    befriend(server, JULIET, ROMEO)
    prefers(juliet, "roster")
    say(Client(server, f"{ROMEO}/orchard"), "hi")
    say(Client(server, f"{MERCUTIO}/street"), "ho")
    assert query(juliet).bodies == ["hi"]


@pytest.mark.parametrize(
    ("wanted", "condition"),
    [
        (preferences("sometimes"), "bad-request"),
        (ASK, "bad-request"),
        (preferences("always", ("a@b@c",)), "jid-malformed"),
        (preferences("always", ("",)), "jid-malformed"),
        (preferences("never", ("a@b", "c@d"), ("e@f", "g@h")), "resource-constraint"),
    ],
)
def test_preferences_that_cannot_be_are_refused_and_change_nothing(
    server: Server, juliet: Client, wanted: str, condition: str
) -> None:
    prefers(juliet, "roster", (f"{ROMEO}",))
    assert juliet.asks(wanted, type="set") == condition
    assert archives.of(server.db, JULIET).by_default == "roster"


def test_lists_that_are_left_out_are_empty(juliet: Client) -> None:
    prefers(juliet, "never", (f"{ROMEO}",))
    assert juliet.asks(f"<prefs xmlns='{MAM}' default='always'/>", type="set") == xml(preferences("always"))


def test_addresses_that_take_long_to_read_are_limited_over_both_lists(juliet: Client) -> None:
    names = tuple(f"{number}.{'ü' * 20}.example" for number in range(400))
    answer = juliet.asks(preferences("always", names[:200], names[200:]), type="set")
    assert answer == "policy-violation"
    assert juliet.asks(preferences("always", ("ü.example",)), type="set") == xml(preferences("always", ("ü.example",)))
