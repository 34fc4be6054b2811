"""XEP-0045 section 5: whoever is in a room becomes something else by every affiliation that he had, in every kind of
room; all see him as he is then, once, or see that he is gone."""

from collections.abc import Mapping
from typing import Any

import pytest

from db.rooms import Affiliation
from handlers.rooms.room import Room
from tests.harness.in_process import Client
from tests.harness.rooms import MUC, ROOM, enter, opened, told

KINDS: Mapping[str, Mapping[str, Any]] = {
    "open": {},
    "moderated": {"moderatedroom": True},
    "of members": {"membersonly": True},
}
FORMER = ("owner", "admin", "member", "none")
# The role that goes with what somebody becomes (5.1.2, 5.1.3), or the code by which it leaves (9.1, 9.4).
BECOMES = {
    ("open", "owner"): "moderator",
    ("open", "admin"): "moderator",
    ("open", "member"): "participant",
    ("open", "none"): "participant",
    ("open", "outcast"): "301",
    ("moderated", "owner"): "moderator",
    ("moderated", "admin"): "moderator",
    ("moderated", "member"): "participant",
    ("moderated", "none"): "visitor",
    ("moderated", "outcast"): "301",
    ("of members", "owner"): "moderator",
    ("of members", "admin"): "moderator",
    ("of members", "member"): "participant",
    ("of members", "none"): "321",
    ("of members", "outcast"): "301",
}
KEEPS_THE_FLOOR = ("moderated", "member", "none")  # which it had by a role (5.1.3: what is lost is not hard-coded)
CASES = [
    (kind, was, becomes, "participant" if (kind, was, becomes) == KEEPS_THE_FLOOR else expected)
    for (kind, becomes), expected in BECOMES.items()
    for was in FORMER
    if was != becomes and (kind, was) != ("of members", "none")
]


def made(romeo: Client, juliet: Client, mercutio: Client, kind: str, was: str) -> Room:
    """Romeo's room, in which Juliet is as what she was, and Mercutio is a member."""
    room = opened(romeo, "Romeo", **KINDS[kind])
    room.set_affiliations({juliet.account: Affiliation(was), mercutio.account: Affiliation("member")})
    enter(juliet, "Juliet")
    enter(mercutio, "Mercutio")
    for each in (romeo, juliet, mercutio):
        each.received()
    return room


def expectation(becomes: str, expected: str) -> tuple[str, str]:
    """What others see, and the code of it."""
    if expected.isdigit():
        return f"Juliet out {becomes}/none", f" {expected}"
    return f"Juliet in {becomes}/{expected}", ""


def of_juliet(received: list[str]) -> list[str]:
    return [each for each in told(received) if each.startswith("Juliet")]


@pytest.mark.parametrize(("kind", "was", "becomes", "expected"), CASES)
def test_by_an_admin_or_owner(
    romeo: Client, juliet: Client, mercutio: Client, kind: str, was: str, becomes: str, expected: str
) -> None:
    room = made(romeo, juliet, mercutio, kind, was)
    item = f"<item jid='juliet@localhost' affiliation='{becomes}'><reason>So be it</reason></item>"
    done, *seen = romeo.sends(f"<iq type='set' id='q' to='{ROOM}'><query xmlns='{MUC}#admin'>{item}</query></iq>")
    what, code = expectation(becomes, expected)
    own, others = juliet.received(), mercutio.received()
    assert 'type="result"' in done
    assert of_juliet(seen) == [f"{what} juliet@localhost/balcony{code}"]
    assert of_juliet(own) == [f"{what} juliet@localhost/balcony{code} 110"]
    assert of_juliet(others) == [f"{what}{code}"]
    for each in (seen[0], own[0], others[0]):
        assert '<actor nick="Romeo"></actor><reason>So be it</reason>' in each
    assert room.affiliation(juliet.account) == becomes
    assert (juliet.jid in room.by_session) is not expected.isdigit()


def configured(romeo: Client, **lists: list[str]) -> list[str]:
    fields = "".join(
        f"<field var='muc#roomconfig_{name}'>{''.join(f'<value>{each}</value>' for each in people)}</field>"
        for name, people in lists.items()
    )
    form = f"<x xmlns='jabber:x:data' type='submit'>{fields}</x>"
    return romeo.sends(f"<iq type='set' id='q' to='{ROOM}'><query xmlns='{MUC}#owner'>{form}</query></iq>")


ROMEO, JULIET = "romeo@localhost", "juliet@localhost"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("was", "lists", "becomes"),
    [
        ("member", {"roomadmins": [JULIET]}, "admin"),
        ("admin", {"roomadmins": []}, "none"),
        ("member", {"roomowners": [ROMEO, JULIET]}, "owner"),
        ("admin", {"roomowners": [ROMEO, JULIET]}, "owner"),
        ("owner", {"roomowners": [ROMEO]}, "admin"),
        ("owner", {"roomowners": [ROMEO], "roomadmins": []}, "none"),
        ("owner", {"roomowners": [ROMEO], "roomadmins": [JULIET]}, "admin"),
        ("admin", {"roomowners": [ROMEO, JULIET], "roomadmins": [JULIET]}, "owner"),
    ],
)
def test_by_the_whole_lists_of_the_form(
    romeo: Client, juliet: Client, mercutio: Client, kind: str, was: str, lists: dict[str, list[str]], becomes: str
) -> None:
    room = made(romeo, juliet, mercutio, kind, was)
    if kind == "of members" and becomes == "none":
        becomes = "member"  # who was somebody there is not put out by that (10.2)
    done, *seen = configured(romeo, **lists)
    what, code = expectation(becomes, BECOMES[kind, becomes])
    assert 'type="result"' in done
    assert of_juliet(seen) == [f"{what} juliet@localhost/balcony{code}"]
    assert of_juliet(juliet.received()) == [f"{what} juliet@localhost/balcony{code} 110"]
    assert of_juliet(mercutio.received()) == [f"{what}{code}"]
    assert room.affiliation(juliet.account) == becomes


def test_there_is_something_of_each() -> None:
    assert {(kind, was) for kind, was, *_ in CASES} == {
        (kind, was) for kind in KINDS for was in FORMER if (kind, was) != ("of members", "none")
    }
    assert len(CASES) == 3 * 4 * 4 - 4
