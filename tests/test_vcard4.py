"""XEP-0292: the vCard4 of an account, equal with its vCard (XEP-0054)."""

from pathlib import Path

import pytest
from lxml import etree

from handlers.profile.vcard_properties import VCARD4, VCARD_TEMP, to_vcard4, to_vcard_temp
from tests.harness.in_process import Client, add_accounts, server_in, xml
from tests.harness.nodes import ask, comes_online, configure, events, items, owner, publish, retract

ROMEO = "romeo@localhost"
NODE = "urn:xmpp:vcard4"
ASK = "<vCard xmlns='vcard-temp'/>"


def old(content: str) -> str:
    return f'<vCard xmlns="{VCARD_TEMP}">{content}</vCard>'


def new(content: str) -> str:
    return f'<vcard xmlns="{VCARD4}">{content}</vcard>'


def publish_old(client: Client, content: str) -> str:
    return client.asks(old(content), type="set")


def publish_new(client: Client, content: str, **options: object) -> str:
    return ask(client, publish(NODE, "current", payload=new(content), **options), to="")


def shown_old(client: Client) -> str:
    """Romeo's vCard, or the condition of an error."""
    return client.asks(ASK, to=ROMEO)


def shown_new(client: Client) -> str:
    """Romeo's vCard4, or the conditions of an error."""
    answer = ask(client, items(NODE), "get", to=ROMEO)
    return answer.partition('<item id="current">')[2].partition("</item>")[0] or answer


# -- the properties

BOTH_WAYS = [
    ("<FN>Romeo Montague</FN>", "<fn><text>Romeo Montague</text></fn>"),
    (
        "<N><FAMILY>Montague</FAMILY><GIVEN>Romeo</GIVEN><MIDDLE>M</MIDDLE><PREFIX>Sir</PREFIX><SUFFIX>Jr</SUFFIX></N>",
        "<n><surname>Montague</surname><given>Romeo</given><additional>M</additional><prefix>Sir</prefix>"
        "<suffix>Jr</suffix></n>",
    ),
    ("<NICKNAME>Rom</NICKNAME><NICKNAME>R</NICKNAME>",
     "<nickname><text>Rom</text></nickname><nickname><text>R</text></nickname>"),
    ("<BDAY>1476-06-09</BDAY>", "<bday><date>1476-06-09</date></bday>"),
    (
        "<ADR><WORK/><PREF/><POBOX>1</POBOX><EXTADD>2</EXTADD><STREET>Via</STREET><LOCALITY>Verona</LOCALITY>"
        "<REGION>V</REGION><PCODE>37100</PCODE><CTRY>Italy</CTRY></ADR>",
        "<adr><parameters><type><text>work</text></type><pref><integer>1</integer></pref></parameters>"
        "<pobox>1</pobox><ext>2</ext><street>Via</street><locality>Verona</locality><region>V</region>"
        "<code>37100</code><country>Italy</country></adr>",
    ),
    (
        "<TEL><HOME/><VOICE/><NUMBER>+1-303-555-1212</NUMBER></TEL>",
        "<tel><parameters><type><text>home</text><text>voice</text></type></parameters>"
        "<uri>tel:+1-303-555-1212</uri></tel>",
    ),
    ("<TEL><NUMBER>ask the nurse</NUMBER></TEL>", "<tel><text>ask the nurse</text></tel>"),
    (
        "<EMAIL><HOME/><USERID>romeo@example.org</USERID></EMAIL>",
        "<email><parameters><type><text>home</text></type></parameters><text>romeo@example.org</text></email>",
    ),
    ("<JABBERID>romeo@localhost</JABBERID>", "<impp><uri>xmpp:romeo@localhost</uri></impp>"),
    ("<TZ>Europe/Rome</TZ>", "<tz><text>Europe/Rome</text></tz>"),
    ("<GEO><LAT>45.44</LAT><LON>-10.99</LON></GEO>", "<geo><uri>geo:45.44,-10.99</uri></geo>"),
    ("<TITLE>Heir</TITLE><ROLE>Lover</ROLE>",
     "<title><text>Heir</text></title><role><text>Lover</text></role>"),
    (
        "<ORG><ORGNAME>Montague</ORGNAME><ORGUNIT>Servants</ORGUNIT><ORGUNIT>Kitchen</ORGUNIT></ORG>",
        "<org><text>Montague</text><text>Servants</text><text>Kitchen</text></org>",
    ),
    ("<URL>https://example.org/</URL>", "<url><uri>https://example.org/</uri></url>"),
    ("<KEY><CRED>a key</CRED></KEY>", "<key><text>a key</text></key>"),
    ("<DESC>In love &amp; mad</DESC>", "<note><text>In love &amp; mad</text></note>"),
]  # fmt: skip

ONE_WAY_TO_NEW = [
    ("<NOTE>In love</NOTE>", "<note><text>In love</text></note>"),
    ("<FN>\n Romeo\n</FN>", "<fn><text>Romeo</text></fn>"),
    ("<EMAIL><INTERNET/><X400/><USERID>r@example.org</USERID></EMAIL>", "<email><text>r@example.org</text></email>"),
    ("<FN/><N><FAMILY/></N><TEL><HOME/></TEL><ORG/><GEO><LAT>1</LAT></GEO>", ""),
    ("<PHOTO><BINVAL>YWJj</BINVAL></PHOTO><LOGO/><CLASS><PUBLIC/></CLASS><mood xmlns='urn:example'>sad</mood>", ""),
]

ONE_WAY_TO_OLD = [
    ("<bday><date-time>1476-06-09T10:00:00</date-time></bday>", "<BDAY>1476-06-09T10:00:00</BDAY>"),
    ("<n><given>Romeo</given><additional>M</additional><additional>X</additional></n>",
     "<N><GIVEN>Romeo</GIVEN><MIDDLE>M X</MIDDLE></N>"),
    ("<tel><parameters><type><text>Cell</text><text>textphone</text></type></parameters><uri>tel:+1</uri></tel>",
     "<TEL><CELL/><NUMBER>+1</NUMBER></TEL>"),
    ("<geo><uri>geo:45.44,10.99;u=35</uri></geo>", "<GEO><LAT>45.44</LAT><LON>10.99</LON></GEO>"),
    ("<impp><uri>sip:romeo@example.org</uri></impp><tel><uri>sip:r@example.org</uri></tel><gender><sex>M</sex></gender>"
     "<photo><uri>data:image/png;base64,YWJj</uri></photo><key><uri>https://example.org/key</uri></key>"
     "<geo><uri>geo:somewhere</uri></geo><fn/><n/><org/><mood xmlns='urn:example'>sad</mood>", ""),
]  # fmt: skip


def to_new(content: str) -> str:
    return xml(new("".join(etree.tostring(each).decode() for each in to_vcard4(etree.fromstring(old(content))))))


def to_old(content: str) -> str:
    return xml(old("".join(etree.tostring(each).decode() for each in to_vcard_temp(etree.fromstring(new(content))))))


def plain(text: str) -> str:
    """Without the namespaces that each element had by itself."""
    return text.replace(f' xmlns="{VCARD4}"', "").replace(f' xmlns="{VCARD_TEMP}"', "")


@pytest.mark.parametrize(("before", "after"), BOTH_WAYS + ONE_WAY_TO_NEW)
def test_vcard_temp_becomes_vcard4(before: str, after: str) -> None:
    assert plain(to_new(before)) == plain(xml(new(after)))


@pytest.mark.parametrize(("before", "after"), [(after, before) for before, after in BOTH_WAYS] + ONE_WAY_TO_OLD)
def test_vcard4_becomes_vcard_temp(before: str, after: str) -> None:
    assert plain(to_old(before)) == plain(xml(old(after)))


# -- from vcard-temp to the node


def test_a_vcard_is_published_as_vcard4_for_everybody(romeo: Client, mercutio: Client) -> None:
    assert publish_old(romeo, "<FN>Romeo</FN><DESC/>") == ""
    assert shown_new(mercutio) == new("<fn><text>Romeo</text></fn>")
    assert shown_old(mercutio) == old("<FN>Romeo</FN><DESC></DESC>")


def test_contacts_are_notified_once_and_only_of_what_is_new(romeo: Client, juliet: Client) -> None:
    comes_online(juliet, NODE)
    publish_old(romeo, "<FN>Romeo</FN>")
    assert events(juliet.received()) == [f"{ROMEO}: items {NODE} item current"]
    publish_old(romeo, "<FN>Romeo</FN><CLASS><PUBLIC/></CLASS>")
    assert events(juliet.received()) == []


def test_what_only_vcard4_can_say_stays_when_a_vcard_is_set(romeo: Client) -> None:
    more = "<gender><sex>M</sex></gender><impp><uri>sip:romeo@example.org</uri></impp>"
    publish_new(romeo, f"<fn><text>R</text></fn><title/>{more}")
    publish_old(romeo, "<FN>Romeo</FN>")
    assert shown_new(romeo) == new(f"<fn><text>Romeo</text></fn>{more}")


def test_a_vcard_that_says_nothing_takes_what_both_have_away(romeo: Client) -> None:
    publish_new(romeo, "<fn><text>Romeo</text></fn><gender><sex>M</sex></gender>")
    publish_old(romeo, "")
    assert shown_new(romeo) == new("<gender><sex>M</sex></gender>")


def test_a_vcard_with_nothing_that_vcard4_has_makes_no_node(romeo: Client) -> None:
    publish_old(romeo, "<CLASS><PUBLIC/></CLASS>")
    assert shown_new(romeo) == "item-not-found"


def test_a_vcard_that_becomes_too_long_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    with server_in(tmp_path, pubsub={"max_item_bytes": 1000}) as server:
        add_accounts(server, "romeo")
        romeo = Client(server, f"{ROMEO}/orchard")
        publish_old(romeo, "<FN>Romeo</FN>")
        assert publish_old(romeo, "<NICKNAME>R</NICKNAME>" * 40) == "not-acceptable"
        assert shown_old(romeo) == old("<FN>Romeo</FN>")


# -- from the node to vcard-temp


def test_a_vcard4_is_the_vcard_too(romeo: Client, juliet: Client) -> None:
    publish_new(romeo, "<fn><text>Romeo</text></fn><note><text>In love</text></note>")
    assert shown_old(juliet) == old("<FN>Romeo</FN><DESC>In love</DESC>")


def test_what_only_vcard_temp_can_say_stays_when_a_vcard4_is_published(romeo: Client) -> None:
    publish_old(romeo, "<FN>R</FN><TITLE/><CLASS><PUBLIC/></CLASS>")
    publish_new(romeo, "<fn><text>Romeo</text></fn>")
    assert shown_old(romeo) == xml(old("<FN>Romeo</FN><CLASS><PUBLIC/></CLASS>"))


def test_a_vcard4_that_says_the_same_leaves_the_vcard_as_it_was_written(romeo: Client) -> None:
    written = "<N><GIVEN>Romeo</GIVEN></N><EMAIL><INTERNET/><USERID>r@example.org</USERID></EMAIL>"
    publish_old(romeo, written)
    publish_new(
        romeo, "<n><given>Romeo</given></n><email><text>r@example.org</text></email><kind><text>i</text></kind>"
    )
    assert shown_old(romeo) == xml(old(written))


def test_what_is_written_last_is_what_both_say(romeo: Client) -> None:
    for number in range(3):
        publish_old(romeo, f"<FN>Old {number}</FN>")
        assert shown_new(romeo) == new(f"<fn><text>Old {number}</text></fn>")
        publish_new(romeo, f"<fn><text>New {number}</text></fn>")
        assert shown_old(romeo) == old(f"<FN>New {number}</FN>")


@pytest.mark.parametrize("request_", [retract(NODE, "current"), owner(f"<delete node='{NODE}'/>")])
def test_a_vcard4_that_is_taken_away_is_no_vcard_either(romeo: Client, request_: str) -> None:
    publish_new(romeo, "<fn><text>Romeo</text></fn>")
    assert ask(romeo, request_, to="") == ""
    assert shown_old(romeo) == "item-not-found"


@pytest.mark.parametrize("payload", ["<vcard xmlns='urn:example'/>", "<vcard/>"])
def test_what_is_no_vcard4_says_nothing(romeo: Client, payload: str) -> None:
    publish_old(romeo, "<FN>Romeo</FN><CLASS><PUBLIC/></CLASS>")
    assert ask(romeo, publish(NODE, "current", payload=payload), to="") != ""
    assert shown_old(romeo) == xml(old("<CLASS><PUBLIC/></CLASS>"))


# -- who may read it


def test_the_node_says_who_may_read_the_vcard(romeo: Client, juliet: Client, mercutio: Client) -> None:
    publish_new(romeo, "<fn><text>Romeo</text></fn>")
    assert shown_old(juliet) == old("<FN>Romeo</FN>")
    assert (shown_old(mercutio), shown_new(mercutio)) == ("service-unavailable", "service-unavailable")
    publish_old(romeo, "<FN>R</FN>")
    assert shown_old(mercutio) == "service-unavailable"


def test_who_may_not_read_a_vcard_does_not_find_it_either(tmp_path: Path) -> None:
    with server_in(tmp_path, search={"enabled": True}) as server:
        add_accounts(server, "romeo", "mercutio")
        romeo, mercutio = Client(server, f"{ROMEO}/orchard"), Client(server, "mercutio@localhost/street")
        search = "<query xmlns='jabber:iq:search'><first>rosa</first></query>"
        publish_new(romeo, "<fn><text>Rosalinde</text></fn>")
        assert ROMEO not in mercutio.asks(search, type="set", to="localhost")
        ask(romeo, configure(NODE, access_model="open"), to="")
        assert ROMEO in mercutio.asks(search, type="set", to="localhost")


def test_the_account_announces_vcard4(romeo: Client) -> None:
    answer = romeo.asks("<query xmlns='http://jabber.org/protocol/disco#info'/>", to=ROMEO)
    assert f'<feature var="{VCARD4}">' in answer
