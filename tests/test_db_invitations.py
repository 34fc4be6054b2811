"""What is kept of invitations and groups: how they are found and used up, and with what they go."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from db import accounts, groups, invitations
from db.invitations import ACCOUNT, CONTACT, RESET, AlreadySpent, Invitation
from db.sqlite.database import Database
from xmpp.data.jid import JID

ROMEO = JID.parse("romeo@montague.example")
JULIET = JID.parse("juliet@montague.example")
NURSE = JID.parse("nurse@montague.example")
BLANK = Invitation(0, ACCOUNT, "montague.example", None, False, None, None, None, 1, 10.0, 20.0)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "xserv.db") as db:
        accounts.create_many(db, [(ROMEO, {}), (JULIET, {})], created=0.0)
        yield db


def test_an_invitation_is_found_by_its_token_and_by_its_number(db: Database) -> None:
    group = groups.create(db, "montague.example", "Family", "", 1.0)
    wanted = BLANK._replace(inviter=ROMEO, is_contact=True, reserved=NURSE, group=group.id)
    made = invitations.create(db, "token", wanted)
    assert made == wanted._replace(id=made.id)
    assert invitations.find(db, "token") == invitations.get(db, made.id) == made
    assert invitations.find(db, "Token") is None
    assert invitations.get(db, made.id + 1) is None


def test_no_token_is_in_the_file(db: Database) -> None:
    invitations.create(db, "tokentokentoken", BLANK)
    db.flush()
    kept = b"".join(path.read_bytes() for path in db.path.parent.iterdir())
    assert b"montague.example" in kept
    assert b"tokentokentoken" not in kept


def test_an_invitation_is_used_as_often_as_it_says(db: Database) -> None:
    made = invitations.create(db, "token", BLANK._replace(uses_left=2))
    invitations.spend(db, made.id)
    invitations.spend(db, made.id)
    with pytest.raises(AlreadySpent):
        invitations.spend(db, made.id)
    assert invitations.find(db, "token") == made._replace(uses_left=0)


def test_one_that_was_removed_is_not_used(db: Database) -> None:
    made = invitations.create(db, "token", BLANK)
    assert invitations.remove(db, made.id)
    assert not invitations.remove(db, made.id)
    with pytest.raises(AlreadySpent):
        invitations.spend(db, made.id)


def test_only_what_can_be_used_is_open(db: Database) -> None:
    made = [invitations.create(db, f"token{number}", BLANK._replace(inviter=ROMEO)) for number in range(2)]
    invitations.create(db, "another", BLANK)
    assert (invitations.count_open(db, 19.9), invitations.count_open(db, 19.9, ROMEO)) == (3, 2)
    invitations.spend(db, made[0].id)
    assert (invitations.count_open(db, 19.9), invitations.count_open(db, 19.9, ROMEO)) == (2, 1)
    assert (invitations.count_open(db, 20.0), invitations.count_open(db, 20.0, ROMEO)) == (0, 0)


def test_a_name_is_reserved_with_what_looks_like_it_as_long_as_the_invitation_is_open(db: Database) -> None:
    made = invitations.create(db, "token", BLANK._replace(reserved=JID.parse("bill@montague.example")))
    for name in ("bill", "bi11", "bi1l"):
        account = JID.parse(f"{name}@montague.example")
        assert invitations.is_reserved(db, account, 19.9), name
        assert not invitations.is_reserved(db, account, 19.9, but=made.id)
        assert not invitations.is_reserved(db, account, 20.0)
    assert not invitations.is_reserved(db, NURSE, 19.9)
    assert not invitations.is_reserved(db, JID.parse("bill@capulet.example"), 19.9)
    invitations.spend(db, made.id)
    assert not invitations.is_reserved(db, JID.parse("bill@montague.example"), 19.9)


def test_an_invitation_goes_with_who_made_it_whom_it_resets_and_where_it_leads(db: Database) -> None:
    group = groups.create(db, "montague.example", "Family", "", 1.0)
    invitations.create(db, "by romeo", BLANK._replace(kind=CONTACT, inviter=ROMEO))
    invitations.create(db, "for juliet", BLANK._replace(kind=RESET, resets=JULIET))
    invitations.create(db, "into the family", BLANK._replace(group=group.id))
    stays = invitations.create(db, "of nobody", BLANK)
    accounts.remove(db, ROMEO)
    accounts.remove(db, JULIET)
    groups.remove(db, group.id)
    assert invitations.after(db, 0, 10) == [stays]


def test_what_resets_a_password_is_removed_with_it(db: Database) -> None:
    stays = invitations.create(db, "1", BLANK._replace(kind=RESET, resets=JULIET))
    invitations.create(db, "2", BLANK._replace(kind=RESET, resets=ROMEO))
    invitations.create(db, "3", BLANK._replace(kind=RESET, resets=ROMEO))
    invitations.remove_resets(db, ROMEO)
    assert invitations.after(db, 0, 10) == [stays]


def test_those_that_have_expired_are_removed_bit_by_bit(db: Database) -> None:
    made = [invitations.create(db, str(number), BLANK._replace(expires=float(number))) for number in range(5)]
    assert invitations.remove_expired(db, 3.0, 3) == 3
    assert invitations.remove_expired(db, 3.0, 3) == 1
    assert invitations.after(db, 0, 10) == [made[4]]


def test_of_one_inviter_a_few_that_are_used_up_are_remembered(db: Database) -> None:
    made = [invitations.create(db, str(number), BLANK._replace(inviter=ROMEO)) for number in range(4)]
    of_juliet = invitations.create(db, "another", BLANK._replace(inviter=JULIET))
    for each in (*made[1:], of_juliet):
        invitations.spend(db, each.id)
    invitations.trim_spent(db, ROMEO, 2)
    assert [each.id for each in invitations.after(db, 0, 10)] == [made[0].id, made[2].id, made[3].id, of_juliet.id]


def test_invitations_are_listed_in_the_order_in_which_they_were_made(db: Database) -> None:
    made = [invitations.create(db, str(number), BLANK) for number in range(4)]
    assert invitations.after(db, 0, 2) == made[:2]
    assert invitations.after(db, made[1].id, 10) == made[2:]


# Groups


def test_a_group_has_a_name_of_its_own_at_its_domain(db: Database) -> None:
    made = groups.create(db, "montague.example", "Family", "room@rooms.montague.example", 5.5)
    assert groups.find(db, "montague.example", "Family") == groups.get(db, made.id) == made
    assert made[1:] == ("montague.example", "Family", "room@rooms.montague.example", 5.5)
    with pytest.raises(groups.GroupExists):
        groups.create(db, "montague.example", "Family", "", 6.0)
    other = groups.create(db, "capulet.example", "Family", "", 6.0)
    assert groups.after(db, 0, 10) == [made, other]
    assert groups.count(db) == 2


def test_members_are_in_a_group_until_they_leave_or_their_account_is_gone(db: Database) -> None:
    family = groups.create(db, "montague.example", "Family", "", 1.0)
    assert groups.add(db, family.id, ROMEO)
    assert not groups.add(db, family.id, ROMEO)
    assert groups.add(db, family.id, JULIET)
    assert groups.members(db, family.id) == [JULIET, ROMEO]
    assert groups.of(db, ROMEO) == [family]
    assert groups.drop(db, family.id, JULIET)
    assert not groups.drop(db, family.id, JULIET)
    assert not groups.is_member(db, family.id, JULIET)
    accounts.remove(db, ROMEO)
    assert groups.size(db, family.id) == 0


def test_it_is_remembered_who_is_not_connected_with_the_others_yet(db: Database) -> None:
    family = groups.create(db, "montague.example", "Family", "", 1.0)
    groups.add(db, family.id, ROMEO)
    groups.add(db, family.id, JULIET)
    groups.note_connected(db, family.id, ROMEO)
    assert groups.unconnected(db) == [(family.id, JULIET)]
