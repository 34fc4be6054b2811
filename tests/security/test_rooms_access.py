"""docs/security.md rows 25 and 114: who may do what to whom in a room: every affiliation, role, operation and target.

The tables are written from XEP-0045, sections 5, 8, 9 and 10; each row is a kind of actor, each column a target. `ok`:
it is done; F: forbidden, N: not-allowed, C: conflict.
"""

from collections.abc import Iterator

import pytest

from db.rooms import Affiliation
from handlers.rooms.ranks import (
    AFFILIATIONS,
    ROLES,
    Standing,
    refusal_to_list_affiliation,
    refusal_to_list_role,
    refusal_to_set_affiliation,
    refusal_to_set_role,
    role_after,
)
from handlers.rooms.room import Room
from tests.harness.in_process import Client, add_accounts, server_in
from tests.harness.rooms import ROOM, enter, opened
from xmpp.server import Server

ANSWERS = {"ok": None, "F": "forbidden", "N": "not-allowed", "C": "conflict"}

# -- affiliations: 9.1 (ban), 9.3 and 9.4 (members), 10.3 and 10.4 (owners), 10.6 and 10.7 (admins)

#                           the target is  owner admin member none outcast
OF_AFFILIATIONS = {
    ("owner", "owner"): "                  ok    ok    ok     ok   ok",
    ("owner", "admin"): "                  ok    ok    ok     ok   ok",
    ("owner", "member"): "                 ok    ok    ok     ok   ok",
    ("owner", "none"): "                   ok    ok    ok     ok   ok",
    ("owner", "outcast"): "                ok    ok    ok     ok   ok",
    ("admin", "owner"): "                  F     F     F      F    F",
    ("admin", "admin"): "                  F     F     F      F    F",
    ("admin", "member"): "                 F     F     ok     ok   ok",
    ("admin", "none"): "                   F     F     ok     ok   ok",
    ("admin", "outcast"): "                N     N     ok     ok   ok",
    ("member", "owner"): "                 F     F     F      F    F",
    ("member", "admin"): "                 F     F     F      F    F",
    ("member", "member"): "                F     F     F      F    F",
    ("member", "none"): "                  F     F     F      F    F",
    ("member", "outcast"): "               F     F     F      F    F",
    ("none", "owner"): "                   F     F     F      F    F",
    ("none", "admin"): "                   F     F     F      F    F",
    ("none", "member"): "                  F     F     F      F    F",
    ("none", "none"): "                    F     F     F      F    F",
    ("none", "outcast"): "                 F     F     F      F    F",
    ("outcast", "owner"): "                F     F     F      F    F",
    ("outcast", "admin"): "                F     F     F      F    F",
    ("outcast", "member"): "               F     F     F      F    F",
    ("outcast", "none"): "                 F     F     F      F    F",
    ("outcast", "outcast"): "              F     F     F      F    F",
}
#        what they make of themselves      owner admin member none outcast
OF_ONESELF = {
    "owner": "                             ok    ok    ok     ok   C",
    "the last owner": "                    ok    C     C      C    C",
    "admin": "                             F     F     F      F    C",
    "member": "                            F     F     F      F    F",
    "none": "                              F     F     F      F    F",
    "outcast": "                           F     F     F      F    F",
}  # fmt: skip

# -- roles: 8.2 (kick), 8.3 and 8.4 (voice), 9.6 and 9.7 (moderators). An owner or an admin in a room is a moderator.

TARGETS = (
    "owner/moderator", "admin/moderator", "member/moderator", "none/moderator",
    "member/participant", "none/participant", "member/visitor", "none/visitor",
)  # fmt: skip
ACTORS = (
    "owner/moderator", "owner/none", "admin/moderator", "admin/none", "member/moderator", "member/participant",
    "member/visitor", "member/none", "none/moderator", "none/participant", "none/visitor", "none/none", "outcast/none",
)  # fmt: skip
#                                          owner admin member none  member none  member none
#                                          mod   mod   mod    mod   part   part  vis    vis
OF_ROLES = {
    ("owner/moderator", "none"): "         ok    ok    ok     ok    ok     ok    ok     ok",
    ("owner/none", "none"): "              F     F     F      F     F      F     F      F",
    ("admin/moderator", "none"): "         N     ok    ok     ok    ok     ok    ok     ok",
    ("admin/none", "none"): "              F     F     F      F     F      F     F      F",
    ("member/moderator", "none"): "        N     N     N      N     ok     ok    ok     ok",
    ("none/moderator", "none"): "          N     N     N      N     N      ok    N      ok",
    ("owner/moderator", "visitor"): "      N     N     ok     ok    ok     ok    ok     ok",
    ("owner/none", "visitor"): "           N     N     ok     ok    F      F     F      F",
    ("admin/moderator", "visitor"): "      N     N     ok     ok    ok     ok    ok     ok",
    ("admin/none", "visitor"): "           N     N     ok     ok    F      F     F      F",
    ("member/moderator", "visitor"): "     N     N     F      F     N      ok    N      ok",
    ("none/moderator", "visitor"): "       N     N     N      F     N      ok    N      ok",
    ("owner/moderator", "participant"): "  N     N     ok     ok    ok     ok    ok     ok",
    ("owner/none", "participant"): "       N     N     ok     ok    F      F     F      F",
    ("admin/moderator", "participant"): "  N     N     ok     ok    ok     ok    ok     ok",
    ("admin/none", "participant"): "       N     N     ok     ok    F      F     F      F",
    ("member/moderator", "participant"): " N     N     F      F     ok     ok    ok     ok",
    ("none/moderator", "participant"): "   N     N     N      F     ok     ok    ok     ok",
    ("owner/moderator", "moderator"): "    ok    ok    ok     ok    ok     ok    ok     ok",
    ("owner/none", "moderator"): "         ok    ok    ok     ok    ok     ok    ok     ok",
    ("admin/moderator", "moderator"): "    ok    ok    ok     ok    ok     ok    ok     ok",
    ("admin/none", "moderator"): "         ok    ok    ok     ok    ok     ok    ok     ok",
    ("member/moderator", "moderator"): "   F     F     F      F     F      F     F      F",
    ("none/moderator", "moderator"): "     F     F     F      F     F      F     F      F",
}
#        what they make of themselves      moderator participant visitor none
OF_ONES_OWN_ROLE = {
    "owner/moderator": "                   ok        N           N       ok",
    "admin/moderator": "                   ok        N           N       ok",
    "member/moderator": "                  F         F           F       ok",
    "none/moderator": "                    F         F           F       ok",
}
NOTHING = "F " * len(TARGETS)
"""What everybody else may do: who is neither a moderator nor an admin changes nobody's role."""

# -- lists: 8.5 (voice), 9.2 (bans), 9.5 (members), 9.8 (moderators), 10.5 (owners), 10.8 (admins)

#                       nobody is anonymous: owner admin member none outcast | moderators only see addresses: as before
LISTS = (
    "owner", "admin", "member", "outcast", "moderator", "participant", "visitor",
)  # fmt: skip
OF_LISTS = {
    "owner/moderator": "    ok ok ok ok ok ok ok    ok ok ok ok ok ok ok",
    "owner/none": "         ok ok ok ok ok F  F     ok ok ok ok ok F  F",
    "admin/moderator": "    F  F  ok ok ok ok ok    ok ok ok ok ok ok ok",
    "admin/none": "         F  F  ok ok ok F  F     ok ok ok ok ok F  F",
    "member/moderator": "   F  F  F  F  F  ok ok    ok ok ok F  F  ok ok",
    "member/participant": " F  F  F  F  F  F  F     ok ok ok F  F  F  F",
    "member/visitor": "     F  F  F  F  F  F  F     ok ok ok F  F  F  F",
    "member/none": "        F  F  F  F  F  F  F     ok ok ok F  F  F  F",
    "none/moderator": "     F  F  F  F  F  ok ok    F  F  F  F  F  ok ok",
    "none/participant": "   F  F  F  F  F  F  F     F  F  F  F  F  F  F",
    "none/visitor": "       F  F  F  F  F  F  F     F  F  F  F  F  F  F",
    "none/none": "          F  F  F  F  F  F  F     F  F  F  F  F  F  F",
    "outcast/none": "       F  F  F  F  F  F  F     F  F  F  F  F  F  F",
}


def standing(text: str) -> Standing:
    return Standing(*text.split("/"))


def cells(table: dict[tuple[str, str], str], columns: tuple[str, ...]) -> list[tuple[str, str, str, str]]:
    return [
        (actor, wanted, target, answer)
        for (actor, wanted), row in table.items()
        for target, answer in zip(columns, row.split(), strict=True)
    ]


AFFILIATION_CELLS = cells(OF_AFFILIATIONS, AFFILIATIONS)
ROLE_CELLS = cells({(actor, role): OF_ROLES.get((actor, role), NOTHING) for actor in ACTORS for role in ROLES}, TARGETS)


def test_row_114_every_cell_is_there() -> None:
    assert len(AFFILIATION_CELLS) == len(AFFILIATIONS) ** 3
    assert len(ROLE_CELLS) == len(ACTORS) * len(ROLES) * len(TARGETS)
    assert {actor for actor, _ in OF_ROLES} < set(ACTORS) == set(OF_LISTS)


@pytest.mark.parametrize(("actor", "wanted", "target", "answer"), AFFILIATION_CELLS)
def test_row_114_affiliations_are_given_by_rank(actor: str, wanted: str, target: str, answer: str) -> None:
    refusal = refusal_to_set_affiliation(
        Standing(actor), Standing(target), wanted, is_oneself=False, leaves_no_owner=False
    )
    assert refusal == ANSWERS[answer]


@pytest.mark.parametrize("wanted", AFFILIATIONS)
@pytest.mark.parametrize("actor", OF_ONESELF)
def test_row_114_what_people_make_of_themselves(actor: str, wanted: str) -> None:
    is_last, own = actor == "the last owner", Standing(actor.removeprefix("the last "))
    refusal = refusal_to_set_affiliation(own, own, wanted, is_oneself=True, leaves_no_owner=is_last)
    assert refusal == ANSWERS[OF_ONESELF[actor].split()[AFFILIATIONS.index(wanted)]]


@pytest.mark.parametrize(("actor", "wanted", "target", "answer"), ROLE_CELLS)
def test_row_114_roles_are_given_by_rank(actor: str, wanted: str, target: str, answer: str) -> None:
    assert refusal_to_set_role(standing(actor), standing(target), wanted) == ANSWERS[answer]


@pytest.mark.parametrize("wanted", ROLES)
@pytest.mark.parametrize("actor", OF_ONES_OWN_ROLE)
def test_row_114_which_role_moderators_give_themselves(actor: str, wanted: str) -> None:
    own = standing(actor)
    refusal = refusal_to_set_role(own, own, wanted, is_oneself=True)
    assert refusal == ANSWERS[OF_ONES_OWN_ROLE[actor].split()[ROLES.index(wanted)]]


@pytest.mark.parametrize("is_anonymous", [True, False])
@pytest.mark.parametrize("asked", LISTS)
@pytest.mark.parametrize("actor", ACTORS)
def test_row_25_lists_are_for_those_who_may_know(actor: str, asked: str, is_anonymous: bool) -> None:
    column = LISTS.index(asked) + (0 if is_anonymous else len(LISTS))
    if asked in AFFILIATIONS:
        refusal = refusal_to_list_affiliation(
            standing(actor), asked, is_anonymous=is_anonymous, usual_role="participant", may_ask=ROLES
        )
    else:
        refusal = refusal_to_list_role(standing(actor), asked)
    assert refusal == ANSWERS[OF_LISTS[actor].split()[column]]


def test_row_25_which_members_may_ask_is_configured() -> None:
    def refusal(actor: str, *may_ask: str) -> str | None:
        return refusal_to_list_affiliation(
            standing(actor), "member", is_anonymous=False, usual_role="participant", may_ask=may_ask
        )

    assert refusal("member/participant", "moderator", "participant") is None
    assert refusal("member/participant", "moderator") == "forbidden"
    assert refusal("member/moderator", "moderator") is None
    assert refusal("member/none", "participant") is None  # it would be one
    assert refusal("member/none", "moderator") == "forbidden"
    assert refusal("admin/none") is None


# -- the role of whose affiliation changes: 5.1.3

#  before, after            the role was    moderator   participant visitor      | in a moderated room
ROLES_AFTER = {
    ("none", "member"): "                   moderator   participant participant    moderator   participant participant",
    ("none", "admin"): "                    moderator   moderator   moderator      moderator   moderator   moderator",
    ("none", "owner"): "                    moderator   moderator   moderator      moderator   moderator   moderator",
    ("member", "none"): "                   moderator   participant visitor        moderator   participant visitor",
    ("member", "admin"): "                  moderator   moderator   moderator      moderator   moderator   moderator",
    ("member", "owner"): "                  moderator   moderator   moderator      moderator   moderator   moderator",
    ("admin", "none"): "                    participant participant participant    visitor     visitor     visitor",
    ("admin", "member"): "                  participant participant participant    participant participant participant",
    ("admin", "owner"): "                   moderator   moderator   moderator      moderator   moderator   moderator",
    ("owner", "none"): "                    participant participant participant    visitor     visitor     visitor",
    ("owner", "member"): "                  participant participant participant    participant participant participant",
    ("owner", "admin"): "                   moderator   participant visitor        moderator   participant visitor",
}  # fmt: skip


@pytest.mark.parametrize("is_moderated", [False, True])
@pytest.mark.parametrize("role", ROLES[:3])
@pytest.mark.parametrize(("before", "after"), ROLES_AFTER)
def test_row_114_roles_go_with_affiliations(before: str, after: str, role: str, is_moderated: bool) -> None:
    expected = ROLES_AFTER[before, after].split()[ROLES.index(role) + (3 if is_moderated else 0)]
    assert role_after(before, after, role, is_moderated=is_moderated) == expected


# -- the same, as a server answers: everybody is in one room, as what they are called

ADMIN = "http://jabber.org/protocol/muc#admin"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {"tombstone_days": 0, "enterings_per_minute": 1_000_000}
    with server_in(tmp_path_factory.mktemp("ranks"), rooms=settings) as server:
        add_accounts(server, "founder", *{name_of(each) for each in (*ACTORS, *TARGETS)})
        yield server


def name_of(kind: str) -> str:
    return kind.replace("/", "-")


@pytest.fixture(scope="module")
def people(server: Server) -> dict[str, Client]:
    return {each: Client(server, f"{name_of(each)}@localhost/here") for each in {*ACTORS, *TARGETS}}


@pytest.fixture(scope="module")
def founder(server: Server) -> Client:
    return Client(server, "founder@localhost/here")


@pytest.fixture
def room(founder: Client, people: dict[str, Client]) -> Iterator[Room]:
    """One in which each is what it is called, in a room that Founder owns as well."""
    room = opened(founder, "Founder")
    room.set_affiliations({client.account: Affiliation(standing(each).affiliation) for each, client in people.items()})
    for each, client in people.items():
        if standing(each).role != "none":
            enter(client, name_of(each))
            room.by_session[client.jid].role = standing(each).role
    yield room
    destroy = "<query xmlns='http://jabber.org/protocol/muc#owner'><destroy/></query>"
    assert founder.asks(destroy, type="set", to=ROOM) == ""


def answer(client: Client, item: str, type: str = "set") -> str:
    content = client.asks(f"<query xmlns='{ADMIN}'><item {item}/></query>", type=type, to=ROOM)
    return "" if content.startswith("<query") else content


SAMPLE = 7  # one cell of so many, all over the tables
TARGET_OF = {"owner": "owner/moderator", "admin": "admin/moderator", "member": "member/participant",
             "none": "none/participant", "outcast": "outcast/none"}  # fmt: skip
ACTOR_OF = {"owner": "owner/none", "admin": "admin/none", "member": "member/moderator", "none": "none/moderator",
            "outcast": "outcast/none"}  # fmt: skip


@pytest.mark.parametrize(("actor", "wanted", "target", "expected"), AFFILIATION_CELLS[::SAMPLE])
def test_row_114_a_room_gives_affiliations_by_rank(
    room: Room, people: dict[str, Client], actor: str, wanted: str, target: str, expected: str
) -> None:
    one, other = people[ACTOR_OF[actor]], people[TARGET_OF[target]]
    assert answer(one, f"jid='{other.account}' affiliation='{wanted}'") == (ANSWERS[expected] or "")
    assert room.affiliation(other.account) == (wanted if expected == "ok" else target)


@pytest.mark.parametrize(("actor", "wanted", "target", "expected"), ROLE_CELLS[::SAMPLE])
def test_row_114_a_room_gives_roles_by_rank(
    room: Room, people: dict[str, Client], actor: str, wanted: str, target: str, expected: str
) -> None:
    one, other = people[actor], people[target]
    if actor == target and actor in OF_ONES_OWN_ROLE:
        expected = OF_ONES_OWN_ROLE[actor].split()[ROLES.index(wanted)]
    assert answer(one, f"nick='{name_of(target)}' role='{wanted}'") == (ANSWERS[expected] or "")
    is_now = room.standing(other.jid).role
    assert is_now == (wanted if expected == "ok" else standing(target).role)


@pytest.mark.parametrize("actor", ACTORS)
@pytest.mark.parametrize("asked", LISTS)
def test_row_25_a_room_gives_lists_by_rank(room: Room, people: dict[str, Client], actor: str, asked: str) -> None:
    what = "affiliation" if asked in AFFILIATIONS else "role"
    expected = OF_LISTS[actor].split()[LISTS.index(asked)]
    assert answer(people[actor], f"{what}='{asked}'", "get") == (ANSWERS[expected] or "")
