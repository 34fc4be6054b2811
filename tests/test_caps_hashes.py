"""XEP-0115 and XEP-0390: the hash of an answer, as its specification computes it, proves that answer and no other."""

import pytest

from handlers.discovery.caps_hashes import CAPS, CAPS2, Hash, is_unambiguous
from tests.harness.capabilities import AVATARS, COMPLEX, FORGERIES, SIMPLE
from xmpp.data.disco import INFO, Form, Identity, Info
from xmpp.data.wire import parse, wire

SOFTWARE = "urn:xmpp:dataforms:softwareinfo"

BOMBUS_FEATURES = (
    "http://jabber.org/protocol/si http://jabber.org/protocol/bytestreams http://jabber.org/protocol/chatstates "
    "http://jabber.org/protocol/disco#info http://jabber.org/protocol/disco#items urn:xmpp:ping jabber:iq:time "
    "jabber:iq:privacy jabber:iq:version http://jabber.org/protocol/rosterx urn:xmpp:time jabber:x:oob "
    "http://jabber.org/protocol/ibb http://jabber.org/protocol/si/profile/file-transfer urn:xmpp:receipts "
    "jabber:iq:roster jabber:iq:last"
)
BOMBUS = Info(
    (Identity("client", "mobile", "BombusMod"),),
    frozenset(BOMBUS_FEATURES.split()),
)
TKABBER_FEATURES = (
    "games:board http://jabber.org/protocol/activity http://jabber.org/protocol/activity+notify "
    "http://jabber.org/protocol/bytestreams http://jabber.org/protocol/chatstates "
    "http://jabber.org/protocol/commands http://jabber.org/protocol/disco#info "
    "http://jabber.org/protocol/disco#items http://jabber.org/protocol/evil "
    "http://jabber.org/protocol/feature-neg http://jabber.org/protocol/geoloc "
    "http://jabber.org/protocol/geoloc+notify http://jabber.org/protocol/ibb http://jabber.org/protocol/iqibb "
    "http://jabber.org/protocol/mood http://jabber.org/protocol/mood+notify http://jabber.org/protocol/rosterx "
    "http://jabber.org/protocol/si http://jabber.org/protocol/si/profile/file-transfer "
    "http://jabber.org/protocol/tune http://www.facebook.com/xmpp/messages "
    "http://www.xmpp.org/extensions/xep-0084.html#ns-metadata+notify jabber:iq:avatar jabber:iq:browse "
    "jabber:iq:dtcp jabber:iq:filexfer jabber:iq:ibb jabber:iq:inband jabber:iq:jidlink jabber:iq:last "
    "jabber:iq:oob jabber:iq:privacy jabber:iq:roster jabber:iq:time jabber:iq:version jabber:x:data "
    "jabber:x:event jabber:x:oob urn:xmpp:avatar:metadata+notify urn:xmpp:ping urn:xmpp:receipts "
    "urn:xmpp:time"
)
TKABBER = Info(
    (Identity("client", "pc", "Tkabber", "en"), Identity("client", "pc", "Ткаббер", "ru")),
    frozenset(TKABBER_FEATURES.split()),
    (
        Form(
            SOFTWARE,
            (
                ("software", ("Tkabber",)),
                ("software_version", ("0.11.1-svn-20111216-mod (Tcl/Tk 8.6b2)",)),
                ("os", ("Windows",)),
                ("os_version", ("XP",)),
            ),
        ),
    ),
)


EXAMPLES = [
    (SIMPLE, Hash(CAPS, "sha-1", "QgayPKawpkPSDYmwT/WM94uAlu0=")),
    (COMPLEX, Hash(CAPS, "sha-1", "q07IKJEyjvHSyhy//CH0CxmKi8w=")),
    (BOMBUS, Hash(CAPS2, "sha-256", "kzBZbkqJ3ADrj7v08reD1qcWUwNGHaidNUgD7nHpiw8=")),
    (BOMBUS, Hash(CAPS2, "sha3-256", "79mdYAfU9rEdTOcWDO7UEAt6E56SUzk/g6TnqUeuD9Q=")),
    (TKABBER, Hash(CAPS2, "sha-256", "u79ZroNJbdSWhdSp311mddz44oHHPsEBntQ5b1jqBSY=")),
    (TKABBER, Hash(CAPS2, "sha3-256", "XpUJzLAc93258sMECZ3FJpebkzuyNXDzRNwQog8eycg=")),
]
NAMES = ["0115-5.2", "0115-5.3", "0390-4.5.1", "0390-4.5.1-sha3", "0390-4.5.2", "0390-4.5.2-sha3"]


@pytest.mark.parametrize(("info", "hash"), EXAMPLES, ids=NAMES)
def test_the_examples_of_the_specifications(info: Info, hash: Hash) -> None:
    assert Hash.of(info, hash.scheme, hash.algorithm) == hash


@pytest.mark.parametrize(("info", "hash"), EXAMPLES, ids=NAMES)
def test_an_answer_proves_its_hash(info: Info, hash: Hash) -> None:
    query = parse(wire(info.element("node")))
    assert hash.is_proven_by(query, Info.read(query))


def test_what_is_read_is_what_was_written() -> None:
    read = Info.read(parse(wire(COMPLEX.element())))
    assert read == COMPLEX


IDENTITY = "<identity category='client' type='pc' name='Psi'/>"
FORM = (
    "<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>a</value>{}</field>"
    "<field var='os'><value>Mac</value></field></x>"
)


def read(content: str, language: str = "") -> Info:
    return Info.read(parse(f"<query xmlns='{INFO}'>{content}</query>".encode()), language)


@pytest.mark.parametrize(
    "content",
    [
        IDENTITY + IDENTITY,
        "<feature var='a'/><feature var='a'/>",
        FORM.format("") + FORM.format(""),
        FORM.format("<value>b</value>"),
        FORM.format("").replace("var='os'", "var='FORM_TYPE'"),
    ],
    ids=["identities", "features", "forms", "form types", "fields"],
)
def test_row_28_an_answer_with_two_of_a_kind_is_ill_formed(content: str) -> None:
    with pytest.raises(ValueError):
        read(content)


def test_a_form_that_does_not_say_what_it_is_is_ignored() -> None:
    assert read(FORM.format("").replace(" type='hidden'", "")).forms == ()
    assert read(FORM.format("").replace("FORM_TYPE", "form_type")).forms == ()
    assert read(FORM.format("")).forms == (Form("a", (("os", ("Mac",)),)),)


def test_an_identity_without_a_language_speaks_that_of_the_answer() -> None:
    assert read(IDENTITY, "de").identities == (Identity("client", "pc", "Psi", "de"),)
    assert read(IDENTITY.replace("/>", " xml:lang='el'/>"), "de").identities[0].lang == "el"


@pytest.mark.parametrize(
    "more",
    [
        "<something xmlns='urn:example'/>",
        FORM.format("").replace(" type='hidden'", ""),
        FORM.format("").replace("</x>", "<reported/></x>"),
    ],
    ids=["another element", "a form without a type", "a form with a table"],
)
def test_what_is_not_hashed_cannot_be_proven_by_the_newer_hash(more: str) -> None:
    query = parse(f"<query xmlns='{INFO}'>{IDENTITY}{more}</query>".encode())
    info = Info.read(query)
    assert not Hash.of(info, CAPS2, "sha-256").is_proven_by(query, info)


@pytest.mark.parametrize("info", FORGERIES.values(), ids=FORGERIES)
def test_row_28_an_answer_that_only_has_the_same_input_proves_nothing(info: Info) -> None:
    """The flaw of XEP-0115 (section 9.3): what separates the parts is moved."""
    hash = Hash.of(AVATARS, CAPS, "sha-1")
    assert info.features != AVATARS.features
    assert Hash.of(info, CAPS, "sha-1") == hash
    assert not hash.is_proven_by(info.element(), info)
    assert Hash.of(info, CAPS2, "sha-256") != Hash.of(AVATARS, CAPS2, "sha-256")


@pytest.mark.parametrize("info", [SIMPLE, COMPLEX, BOMBUS, TKABBER, AVATARS])
def test_usual_answers_can_be_read_in_one_way_only(info: Info) -> None:
    assert is_unambiguous(info)
