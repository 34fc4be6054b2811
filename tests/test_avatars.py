"""XEP-0398: the avatar that is published (XEP-0084) is the photo of the vCard (XEP-0153), and the other way round."""

import base64
import hashlib
import re
from pathlib import Path

import pytest

from db import pubsub_affiliations, pubsub_items, vcards
from handlers.login import accounts
from handlers.profile import avatars
from handlers.profile.current_avatar import Avatar
from handlers.pubsub import hosts
from handlers.pubsub.hosts import Account
from tests.harness.in_process import Client, add_accounts, befriend, server_in, xml
from tests.harness.nodes import ask, comes_online, configure, events, ids_in, items, owner, publish, retract
from xmpp.data.jid import JID
from xmpp.server import Server

ROMEO = "romeo@localhost"
DATA, METADATA = "urn:xmpp:avatar:data", "urn:xmpp:avatar:metadata"
ASK = "<vCard xmlns='vcard-temp'/>"
NO_METADATA = f"<metadata xmlns='{METADATA}'/>"
PNG = b"\x89PNG\r\n\x1a\n with a face"
JPEG = b"\xff\xd8\xff with another face"
GIF = b"GIF89a with a third face"


# -- what clients send


def sha1(image: bytes) -> str:
    return hashlib.sha1(image).hexdigest()


def encoded(image: bytes) -> str:
    return base64.b64encode(image).decode()


def vcard(image: bytes, type: str = "image/png", rest: str = "") -> str:
    photo = f"<PHOTO><TYPE>{type}</TYPE><BINVAL>{encoded(image)}</BINVAL></PHOTO>"
    return f"<vCard xmlns='vcard-temp'>{photo}{rest}</vCard>"


def data(image: bytes, **options: object) -> str:
    return publish(DATA, sha1(image), payload=f"<data xmlns='{DATA}'>{encoded(image)}</data>", **options)


def info(image: bytes, type: str = "image/png", more: str = "") -> str:
    return f"<info bytes='{len(image)}' id='{sha1(image)}' type='{type}' {more}/>"


def metadata(id: str, *infos: str, **options: object) -> str:
    return publish(METADATA, id, payload=f"<metadata xmlns='{METADATA}'>{''.join(infos)}</metadata>", **options)


def publish_avatar(client: Client, image: bytes, **options: object) -> None:
    assert ids_in(ask(client, data(image, **options), to="")) == [sha1(image)]
    assert ids_in(ask(client, metadata(sha1(image), info(image), **options), to="")) == [sha1(image)]


# -- what others see


def photo(client: Client) -> tuple[str, bytes] | str:
    """Type and content of the photo in Romeo's vCard, "none", or the condition of the error."""
    answer = client.asks(ASK, to=ROMEO)
    found = re.search("<PHOTO>(<TYPE>(.*)</TYPE>)<BINVAL>(.*)</BINVAL></PHOTO>", answer)
    if found is not None:
        return found[2], base64.b64decode(found[3])
    return "none" if "<vCard" in answer else answer


def published(client: Client) -> str:
    """What Romeo's metadata says."""
    answer = ask(client, items(METADATA), "get", to=ROMEO)
    return answer.partition(f'<metadata xmlns="{METADATA}">')[2].partition("</metadata>")[0]


def hashes(received: list[str]) -> list[str]:
    """The photo's hash in each presence; "none" where it says that there is none, "nothing" where it does not say."""
    shown = [each.partition('<x xmlns="vcard-temp:x:update">')[2] for each in received if each.startswith("<presence")]
    return [found[1] or "none" if (found := re.match("<photo>(.*?)</photo>", each)) else "nothing" for each in shown]


# -- from the nodes to the vCard


def test_a_published_avatar_is_the_photo_of_the_vcard(romeo: Client, juliet: Client) -> None:
    romeo.asks("<vCard xmlns='vcard-temp'><FN>Romeo</FN></vCard>", type="set")
    publish_avatar(romeo, PNG)
    assert photo(romeo) == photo(juliet) == ("image/png", PNG)
    assert "<FN>Romeo</FN><PHOTO>" in juliet.asks(ASK, to=ROMEO)


def test_who_has_no_vcard_gets_one_for_the_avatar(romeo: Client, juliet: Client) -> None:
    publish_avatar(romeo, PNG)
    assert photo(juliet) == ("image/png", PNG)


def test_only_who_may_read_both_nodes_sees_the_photo(romeo: Client, juliet: Client, mercutio: Client) -> None:
    publish_avatar(romeo, PNG)
    assert photo(mercutio) == "service-unavailable"
    for node in (DATA, METADATA):
        assert photo(mercutio) == "service-unavailable"
        ask(romeo, configure(node, access_model="open"), to="")
    assert photo(mercutio) == ("image/png", PNG)
    ask(romeo, configure(DATA, access_model="whitelist"), to="")
    assert (photo(juliet), photo(romeo)) == ("service-unavailable", ("image/png", PNG))


def test_the_rest_of_a_vcard_is_shown_to_who_may_not_see_the_avatar(romeo: Client, mercutio: Client) -> None:
    romeo.asks("<vCard xmlns='vcard-temp'><FN>Romeo</FN></vCard>", type="set")
    publish_avatar(romeo, PNG)
    assert mercutio.asks(ASK, to=ROMEO) == '<vCard xmlns="vcard-temp"><FN>Romeo</FN></vCard>'


def test_an_outcast_does_not_get_the_photo_by_way_of_the_vcard(server: Server, romeo: Client, juliet: Client) -> None:
    publish_avatar(romeo, PNG, access_model="open")
    node = hosts.find(Account(server, romeo.account), DATA)
    assert node is not None
    pubsub_affiliations.affiliate(server.db, node, juliet.account, "outcast")
    assert photo(juliet) == "service-unavailable"


def test_the_image_that_is_in_the_node_is_taken_and_not_those_elsewhere(romeo: Client) -> None:
    ask(romeo, data(PNG, max_items="max"), to="")
    ask(romeo, data(GIF), to="")
    elsewhere = info(JPEG, "image/png", "url='https://example.org/face.png'")
    ask(romeo, metadata("1", elsewhere, info(GIF, "image/gif"), info(PNG)), to="")
    assert photo(romeo) == ("image/png", PNG)
    ask(romeo, metadata("1", elsewhere, info(GIF, "image/gif")), to="")
    assert photo(romeo) == ("image/gif", GIF)
    ask(romeo, metadata("1", elsewhere), to="")
    assert photo(romeo) == "item-not-found"


def test_of_two_that_are_png_the_first_is_taken(romeo: Client) -> None:
    ask(romeo, data(PNG, max_items="max"), to="")
    ask(romeo, data(PNG + b"2"), to="")
    ask(romeo, metadata("1", info(PNG), info(PNG + b"2")), to="")
    assert photo(romeo) == ("image/png", PNG)


@pytest.mark.parametrize(
    "payload",
    [
        f"<data xmlns='{DATA}'>{encoded(JPEG)}</data>",  # another image than its id says
        f"<data xmlns='{DATA}'>no base64!</data>",
        f"<data xmlns='{DATA}'>ä</data>",
        f"<data xmlns='{DATA}'/>",
        f"<data xmlns='urn:example'>{encoded(PNG)}</data>",
    ],
)
def test_data_that_is_not_what_its_id_says_is_no_photo(romeo: Client, payload: str) -> None:
    ask(romeo, publish(DATA, sha1(PNG), payload=payload), to="")
    ask(romeo, metadata(sha1(PNG), info(PNG)), to="")
    assert photo(romeo) == "item-not-found"
    assert hashes(romeo.sends("<presence/>")) == ["nothing"]


@pytest.mark.parametrize("payload", ["<metadata xmlns='urn:example'/>", "<stop/>", NO_METADATA])
def test_metadata_that_names_no_image_is_no_photo(romeo: Client, payload: str) -> None:
    ask(romeo, data(PNG), to="")
    ask(romeo, publish(METADATA, "1", payload=payload), to="")
    assert photo(romeo) == "item-not-found"


def test_only_so_many_images_are_looked_at(romeo: Client) -> None:
    ask(romeo, data(PNG), to="")
    absent = [info(PNG + bytes([number])) for number in range(20)]
    ask(romeo, metadata("1", *absent, info(PNG)), to="")
    assert photo(romeo) == "item-not-found"
    ask(romeo, metadata("1", *absent[:5], *absent[:5], info(PNG)), to="")
    assert photo(romeo) == ("image/png", PNG)


@pytest.mark.parametrize(
    ("image", "declared", "type"),
    [
        (PNG, "image/gif", "image/png"),
        (JPEG, "image/png", "image/jpeg"),
        (b"GIF87a", "", "image/gif"),
        (b"RIFF\n\0\0\nWEBP", "image/png", "image/webp"),
        (b"\0\0\0\x20ftypavif", "", "image/avif"),
        (b"<svg/>", "image/svg+xml", "image/svg+xml"),
        (b"?", "text/html", "image/png"),
        (b"?", "image/<b>", "image/png"),
    ],
)
def test_the_type_of_an_image_is_what_it_is_and_not_what_it_is_said_to_be(
    image: bytes, declared: str, type: str
) -> None:
    assert Avatar(image, declared).type == type


# -- from the vCard to the nodes


def test_the_photo_of_a_vcard_is_published_as_an_avatar(romeo: Client, mercutio: Client) -> None:
    romeo.asks(vcard(JPEG, "image/jpeg"), type="set")
    hash = sha1(JPEG)
    assert published(mercutio) == f'<info bytes="{len(JPEG)}" id="{hash}" type="image/jpeg"></info>'
    assert encoded(JPEG) in ask(mercutio, items(DATA, hash), "get", to=ROMEO)
    assert photo(mercutio) == ("image/jpeg", JPEG)


def test_a_vcard_comes_back_as_it_was_with_the_photo_in_its_place(romeo: Client, juliet: Client) -> None:
    sent = vcard(PNG, rest="<FN>Romeo</FN>")
    romeo.asks(sent, type="set")
    assert juliet.asks(ASK, to=ROMEO) == sent.replace("'", '"')


def test_contacts_are_notified_of_the_photo_in_a_vcard_once(romeo: Client, juliet: Client) -> None:
    comes_online(juliet, METADATA)
    romeo.asks(vcard(PNG), type="set")
    assert events(juliet.received()) == [f"{ROMEO}: items {METADATA} item {sha1(PNG)}"]
    romeo.asks(vcard(PNG, rest="<FN>Romeo</FN>"), type="set")
    assert events(juliet.received()) == []


def test_nodes_that_are_there_stay_as_they_are_configured(romeo: Client, juliet: Client, mercutio: Client) -> None:
    publish_avatar(romeo, PNG, access_model="presence")
    romeo.asks(vcard(JPEG, rest="<FN>Romeo</FN>"), type="set")
    assert (photo(juliet), photo(mercutio)) == (("image/jpeg", JPEG), "none")


def test_a_photo_that_is_too_long_for_an_item_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    with server_in(tmp_path, pubsub={"max_item_bytes": 1000}) as server:
        add_accounts(server, "romeo")
        romeo = Client(server, f"{ROMEO}/orchard")
        romeo.asks(vcard(PNG), type="set")
        assert romeo.asks(vcard(bytes(1000), rest="<FN>Romeo</FN>"), type="set") == "not-acceptable"
        assert romeo.asks(ASK) == vcard(PNG).replace("'", '"')


def test_a_photo_at_another_place_is_left_in_the_vcard(romeo: Client) -> None:
    there = '<vCard xmlns="vcard-temp"><PHOTO><EXTVAL>https://example.org/</EXTVAL></PHOTO></vCard>'
    romeo.asks(there, type="set")
    assert romeo.asks(ASK) == there
    publish_avatar(romeo, PNG)
    assert photo(romeo) == ("image/png", PNG)


# -- whichever was set last


def test_whichever_was_set_last_is_the_avatar(romeo: Client, juliet: Client) -> None:
    romeo.asks(vcard(PNG), type="set")
    publish_avatar(romeo, JPEG)
    assert photo(juliet) == ("image/jpeg", JPEG)
    romeo.asks(vcard(GIF), type="set")
    assert photo(juliet) == ("image/gif", GIF)
    assert sha1(GIF) in published(juliet)


def test_an_empty_metadata_takes_the_photo_out_of_the_vcard(romeo: Client) -> None:
    romeo.asks(vcard(PNG, rest="<FN>Romeo</FN>"), type="set")
    ask(romeo, publish(METADATA, "none", payload=NO_METADATA), to="")
    assert romeo.asks(ASK) == '<vCard xmlns="vcard-temp"><FN>Romeo</FN></vCard>'


@pytest.mark.parametrize("photo", ["", "<PHOTO/>", "<PHOTO><BINVAL/></PHOTO>"])
def test_a_vcard_without_photo_ends_the_avatar(romeo: Client, juliet: Client, photo: str) -> None:
    publish_avatar(romeo, PNG)
    comes_online(juliet, METADATA)
    romeo.asks(f"<vCard xmlns='vcard-temp'>{photo}<FN>Romeo</FN></vCard>", type="set")
    assert len(events(juliet.received())) == 1
    assert published(juliet) == ""
    romeo.asks(f"<vCard xmlns='vcard-temp'>{photo}</vCard>", type="set")
    assert events(juliet.received()) == []


def test_a_vcard_without_photo_leaves_an_avatar_that_it_could_not_show(romeo: Client) -> None:
    elsewhere = info(PNG, more="url='https://example.org/face.png'")
    ask(romeo, metadata("1", elsewhere), to="")
    romeo.asks("<vCard xmlns='vcard-temp'><FN>Romeo</FN></vCard>", type="set")
    assert "url=" in published(romeo)


# -- presence


def test_presence_has_the_hash_of_whichever_was_set_last(romeo: Client, juliet: Client) -> None:
    juliet.sends("<presence/>")
    assert hashes(romeo.sends("<presence/>"))[0] == "nothing"
    juliet.received()
    publish_avatar(romeo, PNG)
    assert hashes(juliet.received()) == [sha1(PNG)]
    romeo.asks(vcard(JPEG), type="set")
    assert hashes(juliet.received()) == [sha1(JPEG)]
    publish_avatar(romeo, PNG)
    assert hashes(juliet.received()) == [sha1(PNG)]
    ask(romeo, publish(METADATA, "1", payload=NO_METADATA), to="")
    assert hashes(juliet.received()) == ["none"]


def test_presence_is_not_sent_again_for_the_same_avatar(romeo: Client, juliet: Client) -> None:
    juliet.sends("<presence/>")
    romeo.sends("<presence/>")
    publish_avatar(romeo, PNG)
    juliet.received()
    publish_avatar(romeo, PNG)
    romeo.asks(vcard(PNG), type="set")
    ask(romeo, publish("urn:example:tune", "1"), to="")
    assert hashes(juliet.received()) == []


def test_metadata_may_come_before_its_data(romeo: Client, juliet: Client) -> None:
    juliet.sends("<presence/>")
    romeo.sends("<presence/>")
    juliet.received()
    ask(romeo, metadata(sha1(PNG), info(PNG)), to="")
    assert hashes(juliet.received()) == []
    ask(romeo, data(PNG), to="")
    assert hashes(juliet.received()) == [sha1(PNG)]


@pytest.mark.parametrize(
    "request_",
    [
        retract(METADATA, sha1(PNG)),
        retract(DATA, sha1(PNG)),
        owner(f"<purge node='{DATA}'/>"),
        owner(f"<delete node='{METADATA}'/>"),
        owner(f"<delete node='{DATA}'/>"),
        configure(DATA, persist_items=False),
        configure(METADATA, persist_items=False),
    ],
)
def test_what_takes_the_avatar_away_takes_the_hash_out_of_presence(
    romeo: Client, juliet: Client, request_: str
) -> None:
    juliet.sends("<presence/>")
    romeo.sends("<presence/>")
    publish_avatar(romeo, PNG)
    juliet.received()
    assert ask(romeo, request_, to="") == ""
    assert hashes(juliet.received()) == ["none"]
    assert photo(romeo) == "item-not-found"


def test_that_there_is_no_avatar_any_more_is_said_in_all_presence_and_by_a_server_that_has_been_restarted(
    tmp_path: Path,
) -> None:
    with server_in(tmp_path) as server:
        add_accounts(server, "romeo", "juliet")
        befriend(server, JID.parse(ROMEO), JID.parse("juliet@localhost"))
        romeo = Client(server, f"{ROMEO}/orchard")
        romeo.sends("<presence/>")
        publish_avatar(romeo, PNG)
        assert ask(romeo, owner(f"<delete node='{METADATA}'/>"), to="") == ""
    with server_in(tmp_path) as server:
        romeo, juliet = Client(server, f"{ROMEO}/orchard"), Client(server, "juliet@localhost/balcony")
        assert hashes(romeo.sends("<presence/>")) == ["none"]
        romeo.sends(f"<presence to='{juliet.jid}'/>")
        assert hashes(juliet.received()) == ["none"]
        assert hashes(juliet.sends("<presence/>")) == ["nothing", "none"]  # its own, and Romeo's current one
        assert hashes(juliet.sends(f"<presence type='probe' to='{ROMEO}'/>")) == ["none"]


def test_who_has_never_had_an_avatar_has_none_to_end(romeo: Client) -> None:
    romeo.asks("<vCard xmlns='vcard-temp'><FN>Romeo</FN></vCard>", type="set")
    assert hashes(romeo.sends("<presence/>")) == ["nothing"]


def test_presence_says_nothing_of_an_avatar_that_is_for_chosen_people(romeo: Client) -> None:
    publish_avatar(romeo, PNG, access_model="whitelist")
    assert hashes(romeo.sends("<presence/>")) == ["nothing"]
    assert hashes(romeo.sends(f"<presence>{own_photo(sha1(PNG))}</presence>")) == ["nothing"]


def test_presence_to_a_stranger_has_the_hash_too(romeo: Client, mercutio: Client) -> None:
    publish_avatar(romeo, PNG, access_model="open")
    romeo.sends(f"<presence to='{mercutio.jid}'/>")
    assert hashes(mercutio.received()) == [sha1(PNG)]


def own_photo(hash: str) -> str:
    return f"<x xmlns='vcard-temp:x:update'><photo>{hash}</photo></x>"


@pytest.mark.parametrize("is_removed", [False, True])
@pytest.mark.parametrize("more", ["", own_photo("abc"), "<x xmlns='vcard-temp:x:update'/>"])
def test_a_client_that_says_it_has_no_photo_is_left_alone(romeo: Client, is_removed: bool, more: str) -> None:
    publish_avatar(romeo, PNG)
    if is_removed:
        ask(romeo, retract(DATA, sha1(PNG)), to="")
    [shown] = romeo.sends(f"<presence>{own_photo('')}{more}</presence>")
    assert shown.count("<x ") == 1
    assert hashes([shown]) == ["none"]


def test_the_right_hash_of_a_client_is_left_alone(romeo: Client) -> None:
    publish_avatar(romeo, PNG)
    own = own_photo(sha1(PNG).upper())
    [shown] = romeo.sends(f"<presence>{own}<show>away</show></presence>")
    assert xml(own) + "<show>" in shown


def test_another_hash_of_a_client_gives_way_to_that_of_the_account(romeo: Client, juliet: Client) -> None:
    juliet.sends("<presence/>")
    other = own_photo(sha1(JPEG))
    assert hashes(romeo.sends(f"<presence>{other}</presence>"))[0] == "nothing"  # there is no such image to be had
    juliet.received()
    publish_avatar(romeo, PNG)
    [shown] = juliet.received()
    assert shown.count("<x ") == 1
    assert hashes([shown]) == [sha1(PNG)]
    romeo.sends(f"<presence to='{juliet.jid}'>{other}</presence>")
    assert hashes(juliet.received()) == [sha1(PNG)]
    publish_avatar(romeo, JPEG)
    assert hashes(juliet.received()) == [sha1(JPEG)]


def test_the_hash_of_an_avatar_that_is_over_is_not_sent_again(romeo: Client, juliet: Client) -> None:
    juliet.sends("<presence/>")
    publish_avatar(romeo, PNG)
    romeo.sends(f"<presence>{own_photo(sha1(PNG))}</presence>")
    juliet.received()
    romeo.asks("<vCard xmlns='vcard-temp'><FN>Romeo</FN></vCard>", type="set")
    assert hashes(juliet.received()) == ["none"]
    romeo.sends(f"<presence>{own_photo(sha1(PNG))}</presence>")
    romeo.sends(f"<presence to='{juliet.jid}'>{own_photo(sha1(PNG))}</presence>")
    assert hashes(juliet.received()) == ["none", "none"]


def test_an_element_that_says_nothing_of_a_photo_gets_the_hash(romeo: Client) -> None:
    publish_avatar(romeo, PNG)
    [shown] = romeo.sends("<presence><x xmlns='vcard-temp:x:update'/><show>away</show></presence>")
    assert shown.count("<x ") == 1
    assert hashes([shown]) == [sha1(PNG)]
    ask(romeo, retract(DATA, sha1(PNG)), to="")
    [shown] = romeo.sends("<presence><x xmlns='vcard-temp:x:update'/></presence>")
    assert hashes([shown]) == ["none"]


# -- the account


def test_the_account_announces_the_conversion(romeo: Client) -> None:
    answer = romeo.asks("<query xmlns='http://jabber.org/protocol/disco#info'/>", to=ROMEO)
    assert '<feature var="urn:xmpp:pep-vcard-conversion:0">' in answer


def test_a_photo_from_before_there_were_nodes_is_published_at_login(server: Server, romeo: Client) -> None:
    photo = base64.b64encode(PNG).decode()
    vcard = f"<vCard xmlns='vcard-temp'><FN>Romeo</FN><PHOTO><BINVAL>{photo}</BINVAL></PHOTO></vCard>"
    vcards.put(server.db, romeo.account, vcard.encode())
    vcards.put_photo_hash(server.db, romeo.account, sha1(PNG))
    for _ in range(2):
        avatars.adopt(romeo.session)
    assert [ids_in(ask(romeo, items(node), "get", to="")) for node in (DATA, METADATA)] == [[sha1(PNG)], [sha1(PNG)]]
    assert photo in romeo.asks(ASK)
    assert sha1(PNG) in romeo.sends("<presence/>")[0]


def test_an_account_that_is_removed_leaves_no_avatar(server: Server, romeo: Client, mercutio: Client) -> None:
    publish_avatar(romeo, PNG, access_model="open")
    accounts.remove(server, JID.parse(ROMEO))
    add_accounts(server, "romeo")
    assert photo(mercutio) == "service-unavailable"
    assert hashes(Client(server, f"{ROMEO}/again").sends("<presence/>")) == ["nothing"]


def test_the_image_is_kept_once(server: Server, romeo: Client) -> None:
    romeo.asks(vcard(PNG), type="set")
    node = hosts.find(Account(server, romeo.account), DATA)
    assert node is not None
    assert len(pubsub_items.ids(server.db, node, pubsub_items.ALL)) == 1
    [(kept,)] = server.db.connection.execute("SELECT xml FROM vcard").fetchall()
    assert encoded(PNG).encode() not in kept
