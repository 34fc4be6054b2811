"""XEP-0313 section "Querying an archive", with result sets (XEP-0059) and full-text search (XEP-0431)."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree

from db import archive, archives
from tests.harness.archives import (
    FULLTEXT,
    JULIET,
    MAM,
    MERCUTIO,
    NOON,
    ROMEO,
    form,
    form_of,
    page,
    query,
    refusal,
    remember,
    say,
    server_with_archive,
    write,
)
from tests.harness.in_process import Client, befriend
from xmpp.server import Server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_with_archive(tmp_path) as server:
        yield server


@pytest.fixture
def juliet(server: Server) -> Client:
    return Client(server, f"{JULIET}/balcony")




# -- whose messages


def test_the_others_messages_and_ones_own_come_in_the_order_in_which_they_went(romeo: Client, juliet: Client) -> None:
    say(romeo, "one")
    say(juliet, "two", to=ROMEO)
    say(romeo, "three")
    for client in (romeo, juliet):
        answer = query(client)
        assert answer.bodies == ["one", "two", "three"]
        assert [message.get("from") for message in answer.messages] == [romeo.jid, juliet.jid, romeo.jid]


def test_with_narrows_down_to_one_conversation(server: Server, romeo: Client, juliet: Client) -> None:
    mercutio, dresser = Client(server, f"{MERCUTIO}/street"), Client(server, f"{ROMEO}/chamber")
    say(romeo, "from the orchard")
    say(dresser, "from the chamber")
    say(mercutio, "from somebody else")
    say(juliet, "to the chamber", to=dresser.jid)
    say(juliet, "to all", to=ROMEO)
    assert query(juliet, form(with_=str(ROMEO))).bodies == [
        "from the orchard", "from the chamber", "to the chamber", "to all",
    ]  # fmt: skip
    assert query(juliet, form(with_=str(dresser.jid))).bodies == ["from the chamber", "to the chamber"]
    assert query(juliet, form(with_="localhost")).bodies == []
    assert query(juliet, form(with_="")).bodies[2] == "from somebody else"


def test_with_oneself_finds_only_what_one_has_written_to_oneself(romeo: Client, juliet: Client) -> None:
    say(romeo, "from somebody else")
    write(juliet, "<body>bread</body>")
    assert query(juliet, form(with_=str(JULIET))).bodies == ["bread"]
    assert query(juliet, form(with_=str(juliet.jid))).bodies == ["bread"]


def test_nobody_else_gets_at_an_archive(server: Server, romeo: Client, juliet: Client) -> None:
    say(romeo, "hi")
    befriend(server, JULIET, MERCUTIO)
    mercutio = Client(server, f"{MERCUTIO}/street")
    for request in ("query", "metadata", "prefs"):
        for type in ("get", "set"):
            if (request, type) != ("metadata", "set"):
                payload = f"<{request} xmlns='{MAM}' default='always'/>"
                assert romeo.asks(payload, type=type, to=str(JULIET)) == "forbidden"
                assert mercutio.asks(payload, type=type, to=str(JULIET)) == "forbidden"


def test_an_account_asks_at_its_own_address_or_at_none(romeo: Client, juliet: Client) -> None:
    say(romeo, "hi")
    for to in ("", f" to='{JULIET}'"):
        assert len(juliet.sends(f"<iq type='set' id='q'{to}><query xmlns='{MAM}'/></iq>")) == 2
    assert juliet.asks(f"<query xmlns='{MAM}'/>", type="set", to="localhost") == "service-unavailable"


# -- when


@pytest.mark.parametrize(
    ("start", "end", "found"),
    [
        ("2017-07-14T02:40:02Z", "", "cde"),
        ("", "2017-07-14T02:40:02Z", "abc"),
        ("2017-07-14T02:40:01Z", "2017-07-14T02:40:03Z", "bcd"),
        ("2017-07-14T02:40:01.001Z", "2017-07-14T02:40:02.999Z", "c"),
        ("2017-07-14T04:40:01+02:00", "2017-07-14T02:40:01Z", "b"),
        ("2017-07-14T02:40:03Z", "2017-07-14T02:40:01Z", ""),
        ("1969-07-21T02:56:15Z", "9999-12-31T23:59:59Z", "abcde"),
        ("2018-01-01T00:00:00Z", "", ""),
    ],
)
def test_start_and_end_belong_to_what_is_found(
    server: Server, juliet: Client, start: str, end: str, found: str
) -> None:
    remember(server, *"abcde")
    assert "".join(filter(None, query(juliet, form(start=start, end=end)).bodies)) == found


def test_the_time_that_a_result_says_finds_it_again(romeo: Client, juliet: Client) -> None:
    say(romeo, "one", "two")
    answer = query(juliet)
    for result, id in zip(answer.results, answer.ids, strict=True):
        moment = result.partition('stamp="')[2].partition('"')[0]
        assert id in query(juliet, form(start=moment, end=moment)).ids


def test_times_are_found_among_thousands_of_messages_of_others(server: Server, romeo: Client, juliet: Client) -> None:
    number = archives.of(server.db, ROMEO).number
    for second in range(3000):
        at = (NOON + second) * 1000
        archive.append(server.db, number, str(second), at, MERCUTIO, "", True, "", "", b"<message/>")
        if second == 1500:
            remember(server, "a")
    archive.settle(server.db)
    server.db.connection.execute("UPDATE archive_message SET at = (? + 1500) * 1000 WHERE uid = 'id-a'", (NOON,))
    assert query(juliet, form(start="2017-07-14T03:05:00Z", end="2017-07-14T03:05:00Z")).bodies == ["a"]
    assert query(juliet, form(start="2017-07-14T03:05:01Z")).bodies == []
    answer = query(romeo, form(start="2017-07-14T03:29:59Z", end="2017-07-14T03:30:00Z"))
    assert answer.ids == ["2999"]


def test_a_clock_that_was_set_back_hides_nothing(server: Server, juliet: Client) -> None:
    remember(server, *"abc", seconds=600)
    remember(server, *"xyz", seconds=600)  # at the same times again
    assert query(juliet, form(start="2017-07-14T02:50:00Z")).bodies == list("bcyz")
    assert query(juliet, form(end="2017-07-14T02:40:00Z")).bodies == list("ax")
    assert query(juliet).bodies == list("abcxyz")  # the order is that in which they came


# -- pages


def test_pages_forwards_until_it_is_complete(server: Server, juliet: Client) -> None:
    remember(server, *"abcde")
    first = query(juliet, page(max=2))
    second = query(juliet, page(max=2, after=first.of_page("last")))
    third = query(juliet, page(max=2, after=second.of_page("last")))
    assert [answer.bodies for answer in (first, second, third)] == [["a", "b"], ["c", "d"], ["e"]]
    assert [answer.is_complete for answer in (first, second, third)] == [False, False, True]
    assert (second.of_page("first"), second.of_page("last")) == ("id-c", "id-d")


def test_pages_backwards_until_it_is_complete(server: Server, juliet: Client) -> None:
    remember(server, *"abcde")
    last = query(juliet, page(max=2, before=None))
    middle = query(juliet, page(max=2, before=last.of_page("first")))
    first = query(juliet, page(max=2, before=middle.of_page("first")))
    assert [answer.bodies for answer in (last, middle, first)] == [["d", "e"], ["b", "c"], ["a"]]
    assert [answer.is_complete for answer in (last, middle, first)] == [False, False, True]


def test_a_page_that_just_holds_the_rest_is_complete(server: Server, juliet: Client) -> None:
    remember(server, *"abcd")
    assert query(juliet, page(max=4)).is_complete
    assert query(juliet, page(max=2, after="id-b")).is_complete
    assert query(juliet, page(max=4, before=None)).is_complete


def test_a_flipped_page_has_the_same_messages_the_last_first(server: Server, juliet: Client) -> None:
    remember(server, *"abcde")
    for limits in (page(max=2, after="id-b"), page(max=2, before="id-e")):
        answer = query(juliet, limits + "<flip-page/>")
        assert answer.bodies == ["d", "c"]
        assert (answer.of_page("first"), answer.of_page("last")) == ("id-c", "id-d")


def test_before_id_and_after_id_bound_what_is_paged_through(server: Server, juliet: Client) -> None:
    remember(server, *"abcdefg")
    between = form(after_id="id-a", before_id="id-g")
    assert query(juliet, between).bodies == list("bcdef")
    assert query(juliet, between + page(max=2)).bodies == ["b", "c"]
    assert query(juliet, between + page(max=2, before=None)).bodies == ["e", "f"]
    assert query(juliet, between + page(max=9, after="id-c")).bodies == list("def")
    assert query(juliet, between + page(before="id-c", max=9)).bodies == ["b"]


def test_messages_are_fetched_by_their_ids_in_their_own_order(server: Server, juliet: Client) -> None:
    remember(server, *"abcde")
    fields = form(x="").replace("<field var='x'><value></value></field>", "<field var='ids'>{}</field>")
    wanted = "".join(f"<value>id-{text}</value>" for text in "dab")
    assert query(juliet, fields.format(wanted)).bodies == ["a", "b", "d"]
    assert query(juliet, fields.format(wanted) + page(max=1, before=None)).bodies == ["d"]
    assert refusal(juliet, fields.format(wanted + "<value>id-x</value>")) == "item-not-found"


@pytest.mark.parametrize(
    "content",
    [page(after="id-x"), page(before="id-x"), form(after_id="id-x"), form(before_id="id-x"), form(ids="id-x")],
)
def test_an_id_that_is_not_in_the_archive_is_not_found(server: Server, juliet: Client, content: str) -> None:
    remember(server, *"abc")
    assert refusal(juliet, content) == "item-not-found"
    assert refusal(Client(server, f"{ROMEO}/x"), content.replace("id-x", "id-a")) == "item-not-found"


def test_everything_together_is_as_if_each_was_looked_at(server: Server, juliet: Client) -> None:
    """Any combination, against a plain list."""
    texts = [f"{letter}{number}" for letter in "abc" for number in range(8)]
    remember(server, *texts)
    chance = random.Random(7)
    for _ in range(200):
        after, before = sorted(chance.sample(range(len(texts)), 2))
        size, backwards = chance.randint(1, 9), chance.random() < 0.5
        fields = form(after_id=f"id-{texts[after]}", before_id=f"id-{texts[before]}")
        expected = texts[after + 1 : before]
        complete = len(expected) <= size
        limits = page(max=size, before=None) if backwards else page(max=size)
        answer = query(juliet, fields + limits)
        assert answer.bodies == (expected[-size:] if backwards else expected[:size])
        assert answer.is_complete == complete


def test_the_count_is_there_where_it_costs_nothing(server: Server, juliet: Client) -> None:
    assert query(juliet).of_page("count") == "0"
    remember(server, *"abc")
    answer = query(juliet)
    assert answer.of_page("count") == "3"
    assert '<first index="0">' in answer.end
    assert query(juliet, page(max=2)).of_page("count") is None
    assert query(juliet, page(after="id-a")).of_page("count") is None


def test_a_page_of_no_messages_says_only_whether_there_are_any(server: Server, juliet: Client) -> None:
    assert query(juliet, page(max=0)).is_complete
    remember(server, *"abc")
    answer = query(juliet, page(max=0))
    assert (answer.ids, answer.is_complete, answer.of_page("first")) == ([], False, None)


def test_pages_are_bounded(tmp_path: Path) -> None:
    with server_with_archive(tmp_path, archive={"page_messages": 2, "max_page_messages": 3}) as server:
        remember(server, *"abcde")
        juliet = Client(server, f"{JULIET}/x")
        assert query(juliet).bodies == ["a", "b"]
        assert query(juliet, page(max=100)).bodies == ["a", "b", "c"]


def test_pages_are_bounded_in_bytes_but_always_get_on(tmp_path: Path) -> None:
    with server_with_archive(tmp_path, streams={"unsent_bytes": 65_536}) as server:
        remember(server, *(letter * 15_000 for letter in "abc"), "d" * 60_000, "e")
        juliet = Client(server, f"{JULIET}/x")
        sizes, after = [], page()
        while not (answer := query(juliet, after)).is_complete:
            sizes.append([len(body or "") for body in answer.bodies])
            after = page(after=answer.of_page("last"))
        assert sizes == [[15_000, 15_000], [15_000], [60_000]]
        assert answer.bodies == ["e"]


# -- what is malformed, and what is not known


@pytest.mark.parametrize(
    ("content", "condition"),
    [
        (form(colour="red"), "feature-not-implemented"),
        (form_of({"{urn:other}x": "1", "FORM_TYPE": MAM}), "feature-not-implemented"),
        (page(index=3), "feature-not-implemented"),
        (form(start="yesterday"), "bad-request"),
        (form(end="2017-07-14"), "bad-request"),
        (form(include_groupchat="perhaps"), "bad-request"),
        (form(with_="a@b@c"), "jid-malformed"),
        (form_of({"FORM_TYPE": "urn:other"}), "bad-request"),
        ("<x xmlns='jabber:x:data' type='result'/>", "bad-request"),
        (form() + page(max=-1), "bad-request"),
        (page(max="many"), "bad-request"),
        (page(max=99999999999), "bad-request"),
        (page(after="a") + "<x xmlns='jabber:x:data' type='submit'><field/></x>", "bad-request"),
        (form_of({"FORM_TYPE": MAM, FULLTEXT: "a " * 31}), "policy-violation"),
    ],
)
def test_what_is_malformed_or_unknown_is_said(server: Server, juliet: Client, content: str, condition: str) -> None:
    remember(server, "a")
    assert refusal(juliet, content) == condition
    assert query(juliet).bodies == ["a"]


def test_a_nodes_archive_is_not_there(juliet: Client) -> None:
    assert refusal(juliet, "", node="urn:xmpp:microblog:0") == "feature-not-implemented"


@pytest.mark.parametrize("value", ["true", "0"])
def test_whether_groupchat_is_wanted_is_understood(server: Server, juliet: Client, value: str) -> None:
    remember(server, "a")
    assert query(juliet, form(include_groupchat=value)).bodies == ["a"]


def test_the_form_says_what_can_be_asked_for(juliet: Client) -> None:
    x = etree.fromstring(juliet.asks(f"<query xmlns='{MAM}'/>"))[0]
    fields = {field.get("var"): field.get("type") for field in x}
    assert fields == {
        "FORM_TYPE": "hidden",
        "with": "jid-single",
        "start": "text-single",
        "end": "text-single",
        "before-id": "text-single",
        "after-id": "text-single",
        "ids": "list-multi",
        "include-groupchat": "boolean",
        FULLTEXT: "text-single",
    }
    open_list = "{*}validate[@datatype='xs:string']/{*}open"
    assert [field.get("var") for field in x if field.find(open_list) is not None] == ["ids"]


def test_the_query_id_is_echoed_whatever_it_is(server: Server, juliet: Client) -> None:
    remember(server, "a")
    [result] = query(juliet, queryid="&lt;a b=&quot;c&quot;&gt;&amp;&#10;").results
    assert etree.fromstring(result)[0].get("queryid") == '<a b="c">&\n'


# -- metadata


def test_the_metadata_name_the_first_and_the_last_message(server: Server, juliet: Client) -> None:
    ask = f"<metadata xmlns='{MAM}'/>"
    assert juliet.asks(ask) == f'<metadata xmlns="{MAM}"></metadata>'
    remember(server, *"abc")
    start, end = etree.fromstring(juliet.asks(ask))
    assert dict(start.attrib) == {"id": "id-a", "timestamp": "2017-07-14T02:40:00.000Z"}
    assert dict(end.attrib) == {"id": "id-c", "timestamp": "2017-07-14T02:40:02.000Z"}


# -- full text (XEP-0431)


def search(client: Client, text: str, more: str = "") -> list[str | None]:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;")
    return query(client, form_of({"FORM_TYPE": MAM, FULLTEXT: escaped}) + more).bodies


def test_words_are_found_in_whatever_case_and_order(server: Server, juliet: Client) -> None:
    remember(server, "Wherefore art thou?", "thou ART a villain", "O sleep", "Schöne Grüße")
    assert search(juliet, "thou art") == ["Wherefore art thou?", "thou ART a villain"]
    assert search(juliet, "villain thou") == ["thou ART a villain"]
    assert search(juliet, "grusse") == []
    assert search(juliet, "SCHONE") == ["Schöne Grüße"]
    assert search(juliet, "where") == []
    assert search(juliet, "  ") == search(juliet, "") == query(juliet).bodies


def test_what_is_found_can_be_narrowed_down_and_paged(server: Server, juliet: Client) -> None:
    remember(server, "one x", "two", "three x", "four x", "five x")
    assert search(juliet, "x", page(max=2)) == ["one x", "three x"]
    assert search(juliet, "x", page(max=2, before=None)) == ["four x", "five x"]
    assert search(juliet, "x", page(max=9, after="id-three x")) == ["four x", "five x"]
    narrow = {"FORM_TYPE": MAM, FULLTEXT: "x", "with": str(ROMEO), "end": "2017-07-14T02:40:03Z"}
    assert query(juliet, form_of(narrow)).bodies == ["one x", "three x", "four x"]
    assert query(juliet, form_of({**narrow, "with": str(MERCUTIO)})).bodies == []


@pytest.mark.parametrize("text", ['"', '""', "'", "*", "thou*", "NEAR(", "thou OR sleep", "-thou", "text:thou",
                                  "archive:1", "(", "{a b}", "^", "a AND", "NOT", "+", ";--", "%", "\\", "a\tb\nc",
                                  '" OR archive : "2'])  # fmt: skip
def test_whatever_is_looked_for_is_looked_for_as_words(server: Server, juliet: Client, text: str) -> None:
    remember(server, "O sleep", "thou")
    assert set(search(juliet, text)) <= {"thou"}  # where it is one word with signs around it


@pytest.mark.parametrize("text", ["x-" * 31, "x " * 31, "x " * 16 + "x-x " * 8, "'" * 501, "- " * 31, "x" * 501])
def test_so_much_can_be_looked_for_and_not_more(server: Server, juliet: Client, text: str) -> None:
    remember(server, "x-" * 40, "x")
    assert refusal(juliet, form_of({"FORM_TYPE": MAM, FULLTEXT: text})) == "policy-violation"
    assert search(juliet, "x-" * 30) == ["x-" * 40]
    assert search(juliet, "x " * 30) == ["x-" * 40, "x"]


@pytest.mark.parametrize("id", ["'", "id-a' OR '1'='1", '"', "%", "1", "\\", "*"])
def test_whatever_stands_for_an_id_is_an_id(server: Server, juliet: Client, id: str) -> None:
    remember(server, "a")
    quoted = id.replace("'", "&apos;").replace('"', "&quot;")
    assert refusal(juliet, page(after=quoted)) == "item-not-found"
    assert refusal(juliet, form(ids=quoted)) == "item-not-found"


def test_nobody_finds_the_words_of_others(server: Server, romeo: Client, juliet: Client) -> None:
    remember(server, "a secret")
    number = archives.of(server.db, JULIET).number
    assert search(romeo, "secret") == []
    assert search(romeo, str(number)) == []
    assert search(juliet, str(number)) == []


def test_what_stands_in_for_an_encrypted_message_is_not_found(romeo: Client, juliet: Client) -> None:
    write(romeo, "<body>I sent you an OMEMO message</body><encrypted xmlns='eu.siacs.conversations.axolotl'/>")
    write(romeo, "<body>ciao bella</body><body xml:lang='en'>hello darling</body>")
    assert search(juliet, "OMEMO") == []
    assert search(juliet, "ciao darling") == ["ciao bella"]
