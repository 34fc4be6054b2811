"""XEP-0054: vCards; XEP-0153: the photo's hash in presence."""

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from handlers.profile.photo_hash import with_photo_hash
from tests.harness.in_process import Client, add_accounts, befriend, server_in, xml
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import parse
from xmpp.server import Server

ASK = "<vCard xmlns='vcard-temp'/>"
ROMEO = "<vCard xmlns='vcard-temp'><FN>Romeo Montague</FN></vCard>"
PHOTO = bytes(range(256))
PHOTO_HASH = hashlib.sha1(PHOTO).hexdigest()
NO_PHOTO_ANY_MORE = '<x xmlns="vcard-temp:x:update"><photo/></x>'
NO_PHOTO = '<x xmlns="vcard-temp:x:update"/>'
WITH_PHOTO = f'<x xmlns="vcard-temp:x:update"><photo>{PHOTO_HASH}</photo></x>'


def vcard(photo: str) -> str:
    return f"<vCard xmlns='vcard-temp'><PHOTO><TYPE>image/png</TYPE><BINVAL>{photo}</BINVAL></PHOTO></vCard>"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_in(tmp_path, vcard={"max_bytes": 1000}) as server:
        add_accounts(server, "romeo", "juliet")
        yield server


@pytest.fixture
def juliet(server: Server) -> Client:
    return Client(server, "juliet@localhost/balcony")


def publish(client: Client, payload: str) -> str:
    return client.asks(payload, type="set")


def test_everybody_may_read_what_the_owner_publishes(romeo: Client, juliet: Client) -> None:
    assert publish(romeo, ROMEO) == ""
    assert romeo.asks(ASK) == juliet.asks(ASK, to="romeo@localhost") == xml(ROMEO)


def test_a_new_vcard_replaces_the_old_one(romeo: Client) -> None:
    publish(romeo, ROMEO)
    publish(romeo, ASK)
    assert romeo.asks(ASK) == xml(ASK)


def test_one_who_has_none_is_told_so(romeo: Client) -> None:
    assert romeo.asks(ASK) == "item-not-found"


def test_a_stranger_cannot_tell_an_account_without_vcard_from_none(romeo: Client) -> None:
    assert romeo.asks(ASK, to="juliet@localhost") == "service-unavailable"
    assert romeo.asks(ASK, to="nobody@localhost") == "service-unavailable"


def test_nobody_elses_can_be_changed(romeo: Client, juliet: Client) -> None:
    assert romeo.asks(ROMEO, type="set", to="juliet@localhost") == "forbidden"
    assert juliet.asks(ASK) == "item-not-found"


def test_a_vcard_has_a_longest_size(romeo: Client) -> None:
    assert publish(romeo, vcard("A" * 1000)) == "policy-violation"
    assert romeo.asks(ASK) == "item-not-found"


@pytest.mark.parametrize("photo", ["no-base64!", "AAA", "ä", "AA==AA=="])
def test_a_photo_has_to_be_base64(romeo: Client, photo: str) -> None:
    assert publish(romeo, vcard(photo)) == "bad-request"
    assert romeo.asks(ASK) == "item-not-found"


def hashed(server: Server, presence: str) -> str:
    stanza = Stanza.read(parse(presence.encode()))
    return with_photo_hash(server, JID.parse("romeo@localhost"), stanza).wire().decode()


@pytest.mark.parametrize(
    "published", [None, ROMEO, vcard(""), vcard(" "), "<vCard xmlns='vcard-temp'><PHOTO/></vCard>"]
)
def test_without_a_photo_the_element_is_empty(server: Server, romeo: Client, published: str | None) -> None:
    if published:
        assert publish(romeo, published) == ""
    assert hashed(server, "<presence/>") == f"<presence>{NO_PHOTO}</presence>"


def test_the_hash_is_that_of_the_photo_itself_and_comes_last(server: Server, romeo: Client) -> None:
    encoded = base64.encodebytes(PHOTO).decode()
    assert "\n" in encoded
    assert publish(romeo, vcard(f"\n{encoded}  ")) == ""
    assert hashed(server, "<presence><show>away</show></presence>") == (
        f"<presence><show>away</show>{WITH_PHOTO}</presence>"
    )


@pytest.mark.parametrize(
    "presence",
    [
        '<presence><x xmlns="vcard-temp:x:update"><photo/></x></presence>',
        '<presence><x xmlns="vcard-temp:x:update"/><show>away</show></presence>',
        *(f'<presence type="{type}"/>' for type in ("unavailable", "subscribe", "subscribed", "probe", "error")),
    ],
)
def test_what_has_an_element_of_its_own_or_a_type_is_left_alone(server: Server, presence: str) -> None:
    assert hashed(server, presence) == presence


def test_directed_presence_has_it_too(romeo: Client, juliet: Client) -> None:
    romeo.sends(f"<presence to='{juliet.jid}'/>")
    assert juliet.received() == [xml(f"<presence to='{juliet.jid}' from='{romeo.jid}'>{NO_PHOTO}</presence>")]


def test_contacts_are_told_of_another_photo_and_of_nothing_else(server: Server, romeo: Client, juliet: Client) -> None:
    befriend(server, romeo.account, juliet.account)
    romeo.sends("<presence><show>away</show></presence>")
    juliet.sends("<presence/>")
    juliet.received()
    publish(romeo, ROMEO)
    assert juliet.received() == []
    publish(romeo, vcard(base64.b64encode(PHOTO).decode()))
    assert juliet.received() == [
        xml(f"<presence to='juliet@localhost' from='{romeo.jid}'><show>away</show>{WITH_PHOTO}</presence>")
    ]
    publish(romeo, vcard(base64.b64encode(PHOTO).decode()))
    assert juliet.received() == []
    publish(romeo, ROMEO)
    assert juliet.received() == [
        xml(f"<presence to='juliet@localhost' from='{romeo.jid}'><show>away</show>{NO_PHOTO_ANY_MORE}</presence>")
    ]
