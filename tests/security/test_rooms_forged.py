"""docs/security.md rows 20 and 50: what only a room says of its occupants comes from the room alone, whoever claims it,
also one who is no client of ours; and errors go no further."""

import pytest

from handlers.rooms.room import Room
from tests.harness.in_process import Client
from tests.harness.rooms import MUC, ROOM, enter, opened, told
from xmpp.data.stanza import Stanza

USER = f"{MUC}#user"
FORGED = (
    "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='forged'/>"
    "<hats xmlns='urn:xmpp:hats:0'><hat uri='forged' title='Owner'/></hats>"
    f"<x xmlns='{USER}'><item affiliation='owner' role='moderator' jid='forged@localhost'/><status code='110'/></x>"
    f"<stanza-id xmlns='urn:xmpp:sid:0' by='{ROOM}' id='forged'/>"
)
STANZAS = {
    "a message": f"<message to='{ROOM}' type='groupchat'><body>hi</body>{FORGED}</message>",
    "a subject": f"<message to='{ROOM}' type='groupchat'><subject>hi</subject>{FORGED}</message>",
    "a private message": f"<message to='{ROOM}/Romeo' type='chat'><body>hi</body>{FORGED}</message>",
    "presence": f"<presence to='{ROOM}/Juliet'><status>hi</status>{FORGED}</presence>",
    "another nick": f"<presence to='{ROOM}/Rosaline'><status>hi</status>{FORGED}</presence>",
    "leaving": f"<presence to='{ROOM}/Juliet' type='unavailable'><status>hi</status>{FORGED}</presence>",
}


@pytest.fixture
def room(romeo: Client, juliet: Client) -> Room:
    """Romeo's, in which Juliet is as well, who may change the subject."""
    room = opened(romeo, "Romeo", changesubject=True)
    enter(juliet, "Juliet")
    romeo.received()
    return room


def comes(client: Client, text: str) -> None:
    """A stanza of this client comes to the room without having passed its own server's steps."""
    stanza = Stanza.from_wire(text.replace(" to=", f" from='{client.jid}' to=", 1).encode())
    client.server.router.route(stanza)


@pytest.mark.parametrize("stanza", STANZAS.values(), ids=STANZAS.keys())
@pytest.mark.parametrize("is_from_a_client", [True, False], ids=["ours", "somebody's"])
def test_row_20_what_a_room_says_of_its_occupants_is_not_forged(
    room: Room, romeo: Client, juliet: Client, stanza: str, is_from_a_client: bool
) -> None:
    if is_from_a_client:
        juliet.sends(stanza)
    else:
        comes(juliet, stanza)
    received = romeo.received()
    assert received and "hi</" in received[-1]
    assert "forged" not in "".join(received)
    for each in received:
        assert each.count("<occupant-id ") == 1 and room.id_of(juliet.account) in each
        assert "hats" not in each and 'code="110"' not in each and "owner" not in each


def test_row_20_nor_by_whoever_enters(room: Room, romeo: Client, mercutio: Client) -> None:
    comes(mercutio, f"<presence to='{ROOM}/Mercutio'><x xmlns='{MUC}'/><status>hi</status>{FORGED}</presence>")
    [heard] = romeo.received()
    assert "forged" not in heard and "hats" not in heard and heard.count("<occupant-id ") == 1
    assert told([heard]) == ["Mercutio in none/participant mercutio@localhost/street"]


ERROR = "<error type='cancel'><not-allowed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"


@pytest.mark.parametrize("address", [ROOM, f"{ROOM}/Romeo", f"{ROOM}/nobody", "nowhere@rooms.localhost/Romeo"])
@pytest.mark.parametrize("kind", ["message", "presence", "iq"])
def test_row_50_a_room_neither_answers_errors_nor_passes_them_on(
    room: Room, romeo: Client, juliet: Client, mercutio: Client, kind: str, address: str
) -> None:
    for client in (juliet, mercutio):  # one who is in the room, and one who is not
        assert client.sends(f"<{kind} to='{address}' type='error' id='e'>{ERROR}</{kind}>") == []
    assert romeo.received() == [] and juliet.received() == []
    assert len(room.occupants) == 2


def test_row_50_nor_does_it_repeat_the_error_of_one_who_has_blocked_another(
    room: Room, romeo: Client, juliet: Client
) -> None:
    juliet.asks(f"<block xmlns='urn:xmpp:blocking'><item jid='{ROOM}/Romeo'/></block>", type="set")
    romeo.received()
    answers = [told(romeo.sends(f"<message to='{ROOM}/Juliet' type='chat' id='pm'><body>hi</body></message>"))]
    assert answers == [["Juliet error service-unavailable cancel"]]
    assert romeo.received() == [] and "Juliet" in room.occupants
