"""XEP-0433: the public rooms of a service are searched."""

import pytest

from tests.harness.in_process import Client
from tests.harness.rooms import INFO, SERVICE, enter, opened
from xmpp.data.wire import parse

SEARCH = "urn:xmpp:channel-search:0:search"
ORDER = "{urn:xmpp:channel-search:0:order}"


def form(**fields: str) -> str:
    given = {"FORM_TYPE": "urn:xmpp:channel-search:0:search-params", **fields}
    inner = "".join(f"<field var='{var}'><value>{value}</value></field>" for var, value in given.items())
    return f"<x xmlns='jabber:x:data' type='submit'>{inner}</x>"


def search(client: Client, rsm: str = "", **fields: str) -> str:
    page = f"<set xmlns='http://jabber.org/protocol/rsm'>{rsm}</set>" if rsm else ""
    return client.asks(f"<search xmlns='{SEARCH}'>{page}{form(**fields)}</search>", to=SERVICE)


def found(client: Client, rsm: str = "", **fields: str) -> list[str]:
    """The names of the rooms that are found."""
    return [each.get("address", "").partition("@")[0] for each in parse(search(client, rsm, **fields).encode())[:-1]]


def error(client: Client, **fields: str) -> list[str]:
    """Type, condition, and the condition of the application."""
    [answer] = client.sends(
        f"<iq type='get' id='q' to='{SERVICE}'><search xmlns='{SEARCH}'>{form(**fields)}</search></iq>"
    )
    element = parse(answer.encode())[0]
    return [
        element.get("type", ""),
        *(str(each.tag).rpartition("}")[2] for each in element if "text" not in str(each.tag)),
    ]


@pytest.fixture(autouse=True)
def rooms(romeo: Client, juliet: Client) -> None:
    """Four rooms of Romeo's, one of them hidden; in one of them is Juliet as well."""
    public = {"publicroom": True}
    opened(romeo, "romeo", room=f"balcony@{SERVICE}", roomname="Under the balcony", **public)
    opened(romeo, "romeo", room=f"duels@{SERVICE}", roomdesc="Swords, and balconies ÄRGER", membersonly=True, **public)
    opened(romeo, "romeo", room=f"tomb@{SERVICE}", roomname="The tomb", lang="en", whois="anyone", **public)
    opened(romeo, "romeo", room=f"hidden@{SERVICE}", roomname="Nobody knows the balcony")
    enter(juliet, "juliet", room=f"tomb@{SERVICE}")
    romeo.received()


def test_the_service_says_that_it_can_be_searched(romeo: Client) -> None:
    assert f'<feature var="{SEARCH}">' in romeo.asks(INFO, to=SERVICE)


def test_the_form_has_all_that_may_be_filled_in(romeo: Client) -> None:
    answer = parse(romeo.asks(f"<search xmlns='{SEARCH}'/>", to=SERVICE).encode())
    fields = {each.get("var"): each for each in answer[0]}
    assert list(fields) == ["FORM_TYPE", "q", "all", "sinname", "sindescription", "sinaddress", "types", "key"]
    assert fields["key"][0].text == f"{ORDER}nusers"


def test_rooms_are_found_by_words_in_name_description_or_address(romeo: Client) -> None:
    assert found(romeo, q="BALCON") == ["balcony", "duels"]
    assert found(romeo, q="balcon swords") == ["duels"]
    assert found(romeo, q="balcony", sinname="0") == ["balcony"]  # by its address
    assert found(romeo, q="balcony", sinname="0", sinaddress="false") == []
    assert found(romeo, q="balcon", sindescription="0") == ["balcony"]
    assert found(romeo, q="ärger") == ["duels"]
    assert found(romeo, q="nobody knows") == []


def test_all_rooms_come_in_the_order_that_is_asked_for(romeo: Client) -> None:
    assert found(romeo, all="1") == ["tomb", "balcony", "duels"]
    assert found(romeo, all="1", key=f"{ORDER}address") == ["balcony", "duels", "tomb"]
    assert found(romeo, all="1", types="xep-0369") == []
    assert found(romeo, all="1", unheard_of="1") == ["tomb", "balcony", "duels"]


@pytest.mark.parametrize("key", ["address", "nusers"])
def test_pages_go_on_where_the_last_one_ended(romeo: Client, key: str) -> None:
    asked = {"all": "1", "key": ORDER + key}
    whole = found(romeo, **asked)
    walked, after = [], ""
    for _ in whole:
        page = search(romeo, f"<max>1</max>{after}", **asked)
        [item, rsm] = parse(page.encode())
        walked.append(item.get("address", "").partition("@")[0])
        assert [rsm[0].get("index"), rsm[2].text] == [str(len(walked) - 1), "3"]
        after = f"<after>{rsm[1].text}</after>"
    assert walked == whole
    last = parse(search(romeo, f"<max>2</max>{after.replace('after', 'before')}", **asked).encode())
    assert [each.get("address", "").partition("@")[0] for each in last[:-1]] == whole[:2]
    assert found(romeo, f"<max>1</max>{after}", **asked) == []
    assert found(romeo, "<max>1</max><before/>", **asked) == whole[-1:]
    assert found(romeo, "<max>1</max><index>1</index>", **asked) == whole[1:2]
    assert found(romeo, "<max>0</max>", **asked) == []


def test_what_is_told_of_a_room(romeo: Client) -> None:
    def told(word: str) -> dict[str, str | None]:
        item = parse(search(romeo, q=word).encode())[0]
        return {str(each.tag).rpartition("}")[2]: each.text for each in item}

    assert told("tomb") == {
        "name": "The tomb",
        "language": "en",
        "nusers": "2",
        "service-type": "xep-0045",
        "is-open": "true",
        "anonymity-mode": "{urn:xmpp:channel-search:0:anonymity}none",
    }
    assert told("duels") == {
        "description": "Swords, and balconies ÄRGER",
        "nusers": "1",
        "service-type": "xep-0045",
        "anonymity-mode": "muc_semianonymous",
    }


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"q": "a", "key": "{elsewhere}size"}, ["modify", "feature-not-implemented", "invalid-sort-key"]),
        ({"q": "  "}, ["modify", "bad-request", "invalid-search-terms"]),
        ({"q": "a" * 501}, ["modify", "bad-request", "invalid-search-terms"]),
        ({"q": " ".join("abcdefghijklmnopqrstu")}, ["modify", "bad-request", "invalid-search-terms"]),
        ({"q": "a", "all": "1"}, ["modify", "bad-request", "conflicting-fields"]),
        ({"all": "0"}, ["cancel", "bad-request", "no-search-conditions"]),
        ({"q": ""}, ["cancel", "bad-request", "no-search-conditions"]),
        ({"q": "a", "all": "perhaps"}, ["modify", "bad-request"]),
        ({"q": "a", "FORM_TYPE": "elsewhere"}, ["modify", "bad-request"]),
    ],
)
def test_what_cannot_be_searched_is_refused(romeo: Client, fields: dict[str, str], refusal: list[str]) -> None:
    assert error(romeo, **fields) == refusal


@pytest.mark.parametrize("rsm", ["<max>x</max>", "<after>nowhere</after>", "<index>-1</index>"])
def test_a_page_that_cannot_be_is_refused(romeo: Client, rsm: str) -> None:
    assert search(romeo, rsm, all="1") == "bad-request"
