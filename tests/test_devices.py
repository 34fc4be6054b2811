"""RFC 6121 section 8.5: which sessions get what is sent to an account."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.in_process import Client, add_accounts, server_in
from xmpp.server import Server

BARE, MATCH, NO_MATCH = "juliet@localhost", "juliet@localhost/low", "juliet@localhost/nowhere"
NEGATIVE_ONLY, MANY = {"low": -1}, {"low": -1, "zero": 0, "high": 5}

# Section 8.5.4, for an account that exists: type, addressee, who is there -> who gets it, or the error, or "kept".
MESSAGES = [
    ("normal", BARE, {}, "kept"),
    ("chat", BARE, {}, "kept"),
    ("groupchat", BARE, {}, "service-unavailable"),
    ("headline", BARE, {}, []),
    ("error", BARE, {}, []),
    ("normal", NO_MATCH, {}, "service-unavailable"),
    ("chat", NO_MATCH, {}, "kept"),
    ("groupchat", NO_MATCH, {}, "service-unavailable"),
    ("headline", NO_MATCH, {}, []),
    ("error", NO_MATCH, {}, []),
    ("normal", BARE, NEGATIVE_ONLY, "kept"),
    ("chat", BARE, NEGATIVE_ONLY, "kept"),
    ("groupchat", BARE, NEGATIVE_ONLY, "service-unavailable"),
    ("headline", BARE, NEGATIVE_ONLY, []),
    ("error", BARE, NEGATIVE_ONLY, []),
    ("normal", MATCH, NEGATIVE_ONLY, ["low"]),
    ("chat", MATCH, NEGATIVE_ONLY, ["low"]),
    ("groupchat", MATCH, NEGATIVE_ONLY, ["low"]),
    ("headline", MATCH, NEGATIVE_ONLY, ["low"]),
    ("error", MATCH, NEGATIVE_ONLY, ["low"]),
    ("chat", NO_MATCH, NEGATIVE_ONLY, "kept"),
    ("normal", BARE, MANY, ["zero", "high"]),
    ("chat", BARE, MANY, ["zero", "high"]),
    ("groupchat", BARE, MANY, "service-unavailable"),
    ("headline", BARE, MANY, ["zero", "high"]),
    ("error", BARE, MANY, []),
    ("normal", MATCH, MANY, ["low"]),
    ("normal", NO_MATCH, MANY, "service-unavailable"),
    ("chat", NO_MATCH, MANY, ["zero", "high"]),
    ("groupchat", NO_MATCH, MANY, "service-unavailable"),
    ("headline", NO_MATCH, MANY, []),
    ("error", NO_MATCH, MANY, []),
    ("unheard-of", BARE, MANY, ["zero", "high"]),
]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path) as server:
        add_accounts(server, "romeo", "juliet")
        yield server


def available(server: Server, priorities: dict[str, int]) -> dict[str, Client]:
    """Sessions of Juliet, by resource, that have sent presence of these priorities."""
    clients = {resource: Client(server, f"{BARE}/{resource}") for resource in priorities}
    for resource, client in clients.items():
        client.sends(f"<presence><priority>{priorities[resource]}</priority></presence>")
    for client in clients.values():
        client.received()
    return clients


def error_in(received: list[str]) -> str | None:
    """The condition of the error that came, if one did."""
    if not received:
        return None
    [answer] = received
    return answer.partition("<error ")[2].partition("><")[2].partition(" ")[0]


@pytest.mark.parametrize(("type", "to", "there", "expected"), MESSAGES)
def test_a_message_goes_where_section_8_5_says(
    server: Server, romeo: Client, type: str, to: str, there: dict[str, int], expected: str | list[str]
) -> None:
    clients = available(server, there)
    answer = romeo.sends(f"<message type='{type}' to='{to}'><body>hi</body></message>")
    got = [resource for resource, client in clients.items() if client.received()]
    assert got == (expected if isinstance(expected, list) else [])
    assert error_in(answer) == (expected if expected == "service-unavailable" else None)
    later = Client(server, f"{BARE}/later").sends("<presence/>")
    assert any("<body>" in stanza for stanza in later) == (expected == "kept")


@pytest.mark.parametrize("to", [BARE, MATCH])
@pytest.mark.parametrize("type", ["normal", "chat", "groupchat", "headline"])
def test_a_message_to_an_account_that_does_not_exist_is_refused(romeo: Client, type: str, to: str) -> None:
    answer = romeo.sends(f"<message type='{type}' to='{to.replace('juliet', 'nobody')}'><body>hi</body></message>")
    assert error_in(answer) == "service-unavailable"


def test_a_message_without_addressee_is_for_the_own_account(romeo: Client) -> None:
    romeo.sends("<presence/>")
    assert "<body>note</body>" in romeo.sends("<message type='chat'><body>note</body></message>")[0]


def test_a_session_without_presence_gets_what_is_sent_to_its_full_address(server: Server, romeo: Client) -> None:
    juliet = Client(server, MATCH)
    romeo.sends(f"<message to='{MATCH}'/>")
    romeo.sends(f"<presence to='{MATCH}'/>")
    romeo.sends(f"<iq type='get' id='1' to='{MATCH}'><a xmlns='b'/></iq>")
    assert [stanza.partition(" ")[0] for stanza in juliet.received()] == ["<message", "<presence", "<iq"]


def test_a_session_without_presence_gets_nothing_that_is_sent_to_the_bare_address(
    server: Server, romeo: Client
) -> None:
    juliet = Client(server, MATCH)
    romeo.sends(f"<message type='headline' to='{BARE}'/>")
    romeo.sends(f"<presence to='{BARE}'/>")
    assert juliet.received() == []


def test_presence_reaches_sessions_of_negative_priority(server: Server, romeo: Client) -> None:
    clients = available(server, MANY)
    romeo.sends(f"<presence to='{BARE}'/>")
    assert all(len(client.received()) == 1 for client in clients.values())


@pytest.mark.parametrize("type", ["", "type='unavailable'", "type='error'", "type='probe'"])
@pytest.mark.parametrize("to", [NO_MATCH, "nobody@localhost", "nobody@localhost/x", "localhost", "localhost/x"])
def test_presence_that_finds_nobody_vanishes(romeo: Client, type: str, to: str) -> None:
    assert romeo.sends(f"<presence {type} to='{to}'/>") == []


@pytest.mark.parametrize("to", [NO_MATCH, "nobody@localhost", "nobody@localhost/x"])
@pytest.mark.parametrize("type", ["get", "set"])
def test_a_request_that_finds_nobody_is_refused_once(romeo: Client, to: str, type: str) -> None:
    answer = romeo.sends(f"<iq type='{type}' id='1' to='{to}'><a xmlns='b'/></iq>")
    assert error_in(answer) == "service-unavailable"


@pytest.mark.parametrize("to", [NO_MATCH, BARE, "nobody@localhost", "nobody@localhost/x", "localhost"])
@pytest.mark.parametrize("type", ["result", "error"])
def test_row_50_an_answer_that_nobody_waits_for_is_dropped(romeo: Client, to: str, type: str) -> None:
    assert romeo.sends(f"<iq type='{type}' id='1' to='{to}'/>") == []


@pytest.mark.parametrize("kind", ["message", "presence"])
@pytest.mark.parametrize("to", [NO_MATCH, BARE, "nobody@localhost", "elsewhere.example", "localhost"])
def test_row_50_an_error_is_never_answered(romeo: Client, kind: str, to: str) -> None:
    assert romeo.sends(f"<{kind} type='error' id='1' to='{to}'/>") == []
