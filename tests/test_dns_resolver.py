"""Questions to DNS: who is asked, what counts as an answer, and what is remembered of it."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import gevent
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.harness import zone as zones
from tests.harness.zone import HOST, Zone
from xmpp.federation.dns import cache, exchange, messages, resolver
from xmpp.federation.dns.cache import Cache
from xmpp.federation.dns.failures import LookupFailed, NoAnswer
from xmpp.federation.dns.messages import SRV, Answer
from xmpp.federation.dns.nameservers import NameServers
from xmpp.federation.dns.resolver import Resolver
from xmpp.federation.dns.settings import NameServer

ADDRESS = "192.0.2.1"


@pytest.fixture
def zone() -> Iterator[Zone]:
    with Zone() as zone:
        zone.add("a.test", "A", ADDRESS)
        yield zone


def asking(*zones: Zone) -> Resolver:
    servers = [NameServer(HOST, each.port) for each in zones]
    return Resolver(lambda: servers)


def records(found: Resolver, name: str = "a.test", type: str = "A") -> list[object]:
    return [*found.ask(name, type).get().records]


def failure(found: Resolver, name: str = "a.test", type: str = "A") -> str:
    with pytest.raises(LookupFailed) as raised:
        found.ask(name, type).get()
    return str(raised.value)


# -- what counts as an answer


def test_srv_records_are_read(zone: Zone) -> None:
    zone.add("s.test", "SRV", "1 2 3 Target.Test.", "0 0 0 .")
    assert records(asking(zone), "s.test", "SRV") == [SRV(1, 2, 3, "target.test"), SRV(0, 0, 0, "")]


def test_no_such_name_and_no_such_record_are_no_records(zone: Zone) -> None:
    assert records(asking(zone), "none.test") == records(asking(zone), "a.test", "AAAA") == []


def test_an_alias_that_leads_nowhere_is_no_records(zone: Zone) -> None:
    zone.add("alias.test", "CNAME", "none.test.")
    assert records(asking(zone), "alias.test") == []


def test_aliases_in_a_circle_are_no_records(zone: Zone) -> None:
    zone.add("x.test", "CNAME", "y.test.")
    zone.add("y.test", "CNAME", "x.test.")
    assert failure(asking(zone), "x.test") == "the answer is malformed"


@pytest.mark.parametrize("behaviour", [zones.TRUNCATED, zones.FORGED_FIRST])
def test_the_right_answer_is_found(zone: Zone, behaviour: str) -> None:
    """Over TCP if it does not fit; and behind answers that somebody has forged who has not seen the question."""
    zone.behave(behaviour, "a.test")
    assert records(asking(zone)) == [ADDRESS]


def test_an_answer_that_does_not_fit_is_asked_for_over_tcp(zone: Zone) -> None:
    many = [f"192.0.2.{n}" for n in range(100)]
    zone.add("many.test", "A", *many)
    assert records(asking(zone), "many.test") == many[: messages.MOST_RECORDS]
    assert zone.queries["many.test", "A"] == 2


def test_an_answer_that_is_too_long_is_none(zone: Zone) -> None:
    zone.add("many.test", "A", *(f"192.0.{n // 250}.{n % 250}" for n in range(500)))
    assert failure(asking(zone), "many.test") == "the answer is too long"


def test_if_too_many_answers_are_forged_it_is_asked_over_tcp(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "FORGED_ANSWERS", 3)
    zone.behave(zones.FORGED_FIRST, "a.test")
    assert records(asking(zone)) == [ADDRESS]
    assert zone.queries["a.test", "A"] == 2


@pytest.mark.parametrize("behaviour", [zones.WRONG_ID, zones.WRONG_QUESTION, zones.GARBAGE, zones.SILENT])
def test_what_does_not_answer_the_question_is_no_answer(
    zone: Zone, behaviour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver, "ROUNDS", (0.1,))
    zone.behave(behaviour, "a.test")
    assert failure(asking(zone)) == "no name server answers"


@pytest.mark.parametrize("behaviour", [zones.SERVFAIL, zones.REFUSED])
def test_a_name_server_that_fails_is_no_answer(zone: Zone, behaviour: str) -> None:
    zone.behave(behaviour, "a.test")
    assert failure(asking(zone)) == f"the name server says {behaviour.upper()}"


@pytest.mark.parametrize("behaviour", [zones.OLD, zones.OLD_NOTIMP])
def test_a_name_server_that_does_not_know_edns_is_asked_without_and_from_then_on(zone: Zone, behaviour: str) -> None:
    zone.add("b.test", "A", ADDRESS)
    zone.behave(behaviour, "a.test", "b.test")
    found = asking(zone)
    assert records(found) == records(found, "b.test") == [ADDRESS]
    assert [zone.queries["a.test", "A"], zone.queries["b.test", "A"]] == [2, 1]


def test_a_failure_may_leave_the_question_out() -> None:
    query = messages.query(("a.test", "A"))
    refusal = query[:2] + bytes.fromhex("8005 0000 0000 0000 0000")
    with pytest.raises(LookupFailed, match="REFUSED"):
        messages.read(refusal, query)
    assert messages.read(query[:2] + bytes.fromhex("8000 0000 0000 0000 0000"), query) is None


def test_a_question_is_no_answer() -> None:
    query = messages.query(("a.test", "A"))
    assert messages.read(query, query) is None


def test_a_failure_is_not_remembered(zone: Zone) -> None:
    found = asking(zone)
    zone.behave(zones.SERVFAIL, "a.test")
    failure(found)
    zone.behave("", "a.test")
    assert records(found) == [ADDRESS]


@given(data=st.binary(max_size=200), cut=st.integers(0, 60), change=st.integers(0, 59), to=st.integers(0, 255))
def test_whatever_comes_is_an_answer_or_none(data: bytes, cut: int, change: int, to: int) -> None:
    """Nothing but the errors of the contract is raised."""
    query = messages.query(("a.test", "A"))
    response = dns.message.make_response(dns.message.from_wire(query))
    response.answer.append(dns.rrset.from_text("a.test.", 60, "IN", "A", ADDRESS))
    wire = response.to_wire()
    changed = wire[:change] + bytes((to,)) + wire[change + 1 :]
    for message in (data, query[:2] + data, wire[:cut] + data, wire + data, changed):
        with suppress(LookupFailed, messages.CutOff):
            messages.read(message, query)


@given(
    st.sampled_from(["A", "AAAA", "SRV"]), st.lists(st.text("abz09-_", min_size=1, max_size=63), min_size=1, max_size=3)
)
def test_a_question_is_written_as_others_read_it(type: str, labels: list[str]) -> None:
    name = ".".join(labels)
    read = dns.message.from_wire(messages.query((name, type)))
    assert read.question == [
        dns.rrset.RRset(dns.name.from_text(name), dns.rdataclass.IN, dns.rdatatype.from_text(type))
    ]
    assert (read.flags, read.opcode(), read.payload) == (dns.flags.RD, dns.opcode.QUERY, messages.UDP_BYTES)


def test_answers_that_come_at_once_let_others_go_first(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no time at all for them in a round, each is written and read in a round of its own."""
    monkeypatch.setattr(exchange, "ROUND_SECONDS", 0.0)
    rounds = 0

    def count() -> None:
        nonlocal rounds
        while True:
            gevent.sleep(exchange.ONE_ROUND)
            rounds += 1

    found = asking(zone)
    counting = gevent.spawn(count)
    for each in [found.ask(f"{n}.test", "A") for n in range(50)]:
        each.get()
    counting.kill()
    assert rounds >= 2 * 50


# -- who is asked


def test_another_name_server_is_asked_if_one_fails(zone: Zone) -> None:
    with Zone() as broken:
        broken.behave(zones.SERVFAIL, "a.test")
        assert records(asking(broken, zone)) == [ADDRESS]


def test_one_that_has_failed_is_not_asked_first_for_a_while(zone: Zone) -> None:
    zone.add("b.test", "A", ADDRESS)
    with Zone() as broken:
        broken.behave(zones.SERVFAIL, "a.test")
        found = asking(broken, zone)
        assert records(found) == records(found, "b.test") == [ADDRESS]
        assert [*broken.queries] == [("a.test", "A")]


def test_a_name_server_that_is_not_there_is_no_answer(zone: Zone) -> None:
    zone.close()
    assert failure(asking(zone)) == "no name server can be reached: Connection refused"


def test_one_that_did_not_answer_is_asked_once_more(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "ROUNDS", (0.5, 60.0))
    zone.behave(zones.SILENT, "a.test")
    found = asking(zone).ask("a.test", "A")
    while not zone.queries:
        gevent.sleep(0)
    zone.behave("", "a.test")
    assert found.get().records == (ADDRESS,)


def test_all_of_them_have_a_time_together(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "MOST_SECONDS", 0.2)
    with Zone() as other:
        for each in (zone, other):
            each.behave(zones.SILENT, "a.test")
        assert failure(asking(zone, other)) == "no name server answers in time"
        assert not other.queries


def resolv_conf(file: Path, text: str, second: int) -> None:
    file.write_text(text)
    os.utime(file, (second, second))


def test_the_name_servers_of_the_system_are_asked_as_they_are_now(tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    resolv_conf(file, "# by hand\nsearch x\nnameserver 192.0.2.1\nnameserver ::1\nnameserver nonsense\n", 1)
    servers = NameServers(file)
    assert servers.in_order(()) == [NameServer("192.0.2.1", 53), NameServer("::1", 53)]
    resolv_conf(file, "nameserver 192.0.2.2\n", 2)
    assert servers.in_order(()) == [NameServer("192.0.2.2", 53)]
    file.unlink()
    assert servers.in_order(()) == [NameServer("192.0.2.2", 53)]


def test_without_any_this_machine_is_asked(tmp_path: Path) -> None:
    assert NameServers(tmp_path / "none").in_order(()) == [NameServer("127.0.0.1", 53)]


def test_those_that_are_set_are_asked_instead(tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    resolv_conf(file, "nameserver 192.0.2.1\n", 1)
    assert NameServers(file).in_order([NameServer("192.0.2.9", 5353)]) == [NameServer("192.0.2.9", 5353)]


# -- what is remembered


def test_an_answer_is_remembered_and_so_is_that_there_is_none(zone: Zone) -> None:
    found = asking(zone)
    for name in ("a.test", "none.test"):
        assert records(found, name) == records(found, name)
        assert zone.queries[name, "A"] == 1


def test_who_asks_the_same_at_once_shares_the_answer_and_the_failure(zone: Zone) -> None:
    zone.behave(zones.SERVFAIL, "b.test")
    found = asking(zone)
    assert found.ask("a.test", "A") is found.ask("a.test", "A")
    failing = found.ask("b.test", "A"), found.ask("b.test", "A")
    for each in failing:
        with pytest.raises(LookupFailed):
            each.get()
    assert zone.queries["b.test", "A"] == 1


@pytest.mark.parametrize(
    ("seconds", "remembered"),
    [(0, 60), (59, 60), (300, 300), (3600, 3600), (604_800, 3600)],
)
def test_an_answer_holds_as_long_as_it_says_within_limits(
    seconds: int, remembered: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(cache, "monotonic", lambda: now[0])
    known = Cache(10, 10_000)
    known.put(("a.test", "A"), Answer((ADDRESS,), seconds))
    now[0] += remembered
    assert known.get(("a.test", "A")) is not None
    now[0] += 1
    assert known.get(("a.test", "A")) is None
    assert known.bytes == len(known) == 0


def test_that_there_is_nothing_holds_for_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(cache, "monotonic", lambda: now[0])
    known = Cache(10, 10_000)
    known.put(("a.test", "A"), Answer((), 86_400))
    now[0] += 60
    assert known.get(("a.test", "A")) is not None
    now[0] += 1
    assert known.get(("a.test", "A")) is None


def test_how_much_is_remembered_has_a_limit_in_number() -> None:
    known = Cache(3, 1_000_000)
    for n in range(5):
        known.put((f"{n}.test", "A"), Answer((ADDRESS,), 60))
        known.get(("0.test", "A"))  # it is asked for all the time, so it stays
    assert [n for n in range(5) if known.get((f"{n}.test", "A"))] == [0, 3, 4]


def test_and_in_bytes() -> None:
    known = Cache(1_000_000, 100_000)
    for n in range(1000):
        known.put((f"{n}.test", "A"), Answer((ADDRESS,) * 20, 60))
        known.put((f"{n}.test", "A"), Answer((ADDRESS,) * 20, 60))  # anew
        assert known.bytes <= 100_000
    assert 1 < len(known) < 100


def test_no_answer_of_a_name_server_is_a_failure_like_others() -> None:
    assert issubclass(NoAnswer, LookupFailed)
