"""Accounts that are removed are nothing in any room: in those that somebody is in, and in all others, of which none is
read for that."""

import pytest

from db import room_changes, room_visits, rooms
from handlers.login import accounts
from handlers.rooms.rooms_here import Rooms
from tests.harness.in_process import Client
from tests.harness.rooms import ROOM, SERVICE, be, enter, leave, opened, room_at

MANTUA, PADUA = f"mantua@{SERVICE}", f"padua@{SERVICE}"


def test_who_is_removed_is_nothing_in_any_room(romeo: Client, juliet: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    server, verona = romeo.server, opened(romeo, "Romeo")
    be(verona, juliet, "member", "Juliet")
    enter(juliet, "Juliet")
    leave(juliet, "Juliet")
    leave(romeo, "Romeo")
    version, known = verona.log.last, rooms.affiliations(server.db, verona.number)
    assert {*known} == {romeo.account, juliet.account} and ROOM not in server.state(Rooms).here
    assert room_at(server).reserved_by("Juliet") == juliet.account
    mantua = opened(romeo, "Romeo", room=MANTUA)
    be(mantua, juliet, "admin")
    padua = opened(romeo, "Romeo", room=PADUA)
    be(padua, juliet, "outcast")
    leave(romeo, "Romeo", room=PADUA)
    with monkeypatch.context() as patch:
        patch.setattr(rooms, "affiliations", None)
        accounts.remove(server, juliet.account)
    assert {*rooms.affiliations(server.db, verona.number)} == {romeo.account}
    assert (room_at(server).affiliation(juliet.account), room_at(server).reserved_by("Juliet")) == ("none", None)
    assert room_changes.of(server.db, verona.number)[-1] == (version + 1, juliet.account, "member", "none")
    assert {*room_visits.nicks(server.db, verona.number)} == {romeo.account}
    assert {*rooms.affiliations(server.db, padua.number)} == {romeo.account}
    assert mantua.affiliation(juliet.account) == "none" and {*mantua.affiliations} == {romeo.account}
    assert [each[1:] for each in room_changes.of(server.db, mantua.number)] == [
        (juliet.account, "none", "admin"),
        (juliet.account, "admin", "none"),
    ]
