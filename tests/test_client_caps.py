"""XEP-0115 and XEP-0390: what clients support is learned from the hash that they announce, and no hash is forged."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gevent
import pytest

from handlers.discovery import client_caps
from handlers.discovery.announced_caps import announced_in
from handlers.discovery.caps_hashes import CAPS, CAPS2, Hash
from handlers.discovery.client_caps import CAPS_KNOWN, Known, features_of
from tests.harness.capabilities import AVATARS, FORGERIES, SIMPLE
from tests.harness.in_process import Client, add_accounts, server_in
from xmpp.data.disco import INFO, Identity, Info
from xmpp.data.stanza import Stanza
from xmpp.data.wire import parse, wire
from xmpp.server import Server


def presence(content: str) -> Stanza:
    return Stanza.read(parse(f"<presence>{content}</presence>".encode()))


def c(info: Info, algorithm: str = "sha-1") -> str:
    """The element of XEP-0115 for this information."""
    value = Hash.of(info, CAPS, algorithm).value
    return f"<c xmlns='{CAPS}' hash='{algorithm}' node='urn:rapier' ver='{value}'/>"


def c2(info: Info, *algorithms: str) -> str:
    """The element of XEP-0390 for this information."""
    hashes = "".join(
        f"<hash xmlns='urn:xmpp:hashes:2' algo='{each}'>{Hash.of(info, CAPS2, each).value}</hash>"
        for each in algorithms
    )
    return f"<c xmlns='{CAPS2}'>{hashes}</c>"


def test_the_newer_hash_is_preferred_and_its_best_algorithm() -> None:
    announced = announced_in(presence(c(AVATARS) + c2(AVATARS, "sha3-256", "sha-256")))
    assert announced is not None
    assert announced.hash == Hash.of(AVATARS, CAPS2, "sha-256")
    assert announced.node == f"urn:xmpp:caps#sha-256.{announced.hash.value}"


def test_an_unknown_algorithm_is_passed_over() -> None:
    unknown = c2(AVATARS, "sha-256").replace("sha-256", "rot-13")
    assert announced_in(presence(unknown)) is None
    announced = announced_in(presence(unknown + c(AVATARS)))
    assert announced is not None and announced.hash == Hash.of(AVATARS, CAPS, "sha-1")


@pytest.mark.parametrize("old", ["ver='1.0'", "ver='1.0' ext='cs'", "hash='md5' ver='1.0'"])
def test_what_cannot_be_proven_has_no_hash(old: str) -> None:
    assert announced_in(presence(f"<c xmlns='{CAPS}' node='urn:old' {old}/>")) == ("urn:old#1.0", None)


@pytest.mark.parametrize("broken", ["", "node='urn:x'", "ver='x'", f"node='{'x' * 1000}' ver='1'"])
def test_what_cannot_be_asked_for_is_ignored(broken: str) -> None:
    assert announced_in(presence(f"<c xmlns='{CAPS}' hash='sha-1' {broken}/>")) is None


# -- learning


class Watched:
    """A server, its clients, and all that became known of them."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.known: list[tuple[str, frozenset[str]]] = []
        server.tables = server.tables.but(CAPS_KNOWN.runs(self._note))

    def _note(self, session: Any, features: frozenset[str]) -> None:
        self.known.append((session.jid, features))

    def client(self, address: str) -> Client:
        return Client(self.server, address)

    def features(self, client: Client) -> frozenset[str]:
        return features_of(self.server, client.jid)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    with server_in(tmp_path) as server:
        add_accounts(server, "romeo", "juliet")
        yield Watched(server)


@pytest.fixture
def romeo(watched: Watched) -> Client:
    return watched.client("romeo@localhost/orchard")


@pytest.fixture
def juliet(watched: Watched) -> Client:
    return watched.client("juliet@localhost/balcony")


def questions(received: list[str]) -> list[Any]:
    return [element for text in received if (element := parse(text.encode())).get("type") == "get"]


def announce(client: Client, content: str) -> list[Any]:
    """Send presence; returns what the client is asked."""
    return questions(client.sends(f"<presence>{content}</presence>"))


def answer(client: Client, question: Any, info: Info | None) -> list[Any]:
    """Answer with this information, or with an error; returns what the client is asked then."""
    content = "<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
    if info is not None:
        content = wire(info.element(question[0].get("node"))).decode()
    type = "error" if info is None else "result"
    sent = f"<iq type='{type}' id='{question.get('id')}' to='{question.get('from')}'>{content}</iq>"
    return questions(client.sends(sent))


@pytest.mark.parametrize("announced", [c(AVATARS), c2(AVATARS, "sha-256"), c(AVATARS, "sha-512")])
def test_a_client_is_asked_once_and_then_known(watched: Watched, romeo: Client, juliet: Client, announced: str) -> None:
    [question] = announce(romeo, announced)
    assert (question.get("from"), question.get("to")) == ("localhost", romeo.jid)
    expected = announced_in(presence(announced))
    assert expected is not None and question[0].get("node") == expected.node
    assert watched.features(romeo) == frozenset()
    answer(romeo, question, AVATARS)
    assert watched.features(romeo) == AVATARS.features
    assert announce(romeo, announced) == []
    assert announce(juliet, announced) == []  # the same hash
    assert watched.known == [(romeo.jid, AVATARS.features), (juliet.jid, AVATARS.features)]


def test_presence_comes_before_what_follows_from_it(watched: Watched, romeo: Client) -> None:
    received = romeo.sends(f"<presence>{c(AVATARS)}</presence>")
    assert [text.split(" ", 1)[0] for text in received] == ["<presence", "<iq"]


@pytest.mark.parametrize(
    "stanza",
    [
        "<presence/>",
        "<presence to='juliet@localhost'>{}</presence>",
        "<presence type='unavailable'>{}</presence>",
        "<message to='romeo@localhost'><body>x</body>{}</message>",
    ],
)
def test_nobody_is_asked_for_anything_else(watched: Watched, romeo: Client, stanza: str) -> None:
    assert questions(romeo.sends(stanza.format(c(AVATARS)))) == []
    assert not watched.server.state(Known).waiting


def test_presence_without_a_hash_changes_nothing(watched: Watched, romeo: Client) -> None:
    answer(romeo, announce(romeo, c(AVATARS))[0], AVATARS)
    assert announce(romeo, "<show>away</show>") == []
    assert watched.features(romeo) == AVATARS.features
    assert len(watched.known) == 1


def test_another_hash_makes_other_features(watched: Watched, romeo: Client) -> None:
    answer(romeo, announce(romeo, c(AVATARS))[0], AVATARS)
    [question] = announce(romeo, c(SIMPLE))
    assert watched.features(romeo) == AVATARS.features  # what it said last
    answer(romeo, question, SIMPLE)
    assert watched.features(romeo) == SIMPLE.features
    announce(romeo, c(AVATARS))
    assert [features for _, features in watched.known] == [AVATARS.features, SIMPLE.features, AVATARS.features]


def test_a_client_that_comes_back_becomes_known_again(watched: Watched, romeo: Client) -> None:
    answer(romeo, announce(romeo, c(AVATARS))[0], AVATARS)
    romeo.sends("<presence type='unavailable'/>")
    assert announce(romeo, c(AVATARS)) == []
    assert watched.known == [(romeo.jid, AVATARS.features)] * 2


def test_what_is_known_of_a_session_ends_with_it(watched: Watched, romeo: Client) -> None:
    [question] = announce(romeo, c(AVATARS))
    answer(romeo, question, AVATARS)
    romeo.session.end()
    assert features_of(watched.server, romeo.jid) == frozenset()


def test_what_has_no_hash_counts_for_that_session_alone(watched: Watched, romeo: Client, juliet: Client) -> None:
    old = f"<c xmlns='{CAPS}' node='urn:old' ver='1.0'/>"
    answer(romeo, announce(romeo, old)[0], AVATARS)
    assert watched.features(romeo) == AVATARS.features
    assert len(announce(juliet, old)) == 1
    assert watched.features(juliet) == frozenset()


# -- several clients with one hash


def test_who_announces_a_hash_that_is_being_asked_for_waits(watched: Watched, romeo: Client, juliet: Client) -> None:
    [question] = announce(romeo, c(AVATARS))
    assert announce(juliet, c(AVATARS)) == []
    answer(romeo, question, AVATARS)
    assert watched.features(juliet) == AVATARS.features


@pytest.mark.parametrize("useless", [None, SIMPLE], ids=["an error", "another hash"])
def test_who_waited_for_a_useless_answer_is_asked(
    watched: Watched, romeo: Client, juliet: Client, useless: Info | None
) -> None:
    [question] = announce(romeo, c(AVATARS))
    announce(juliet, c(AVATARS))
    answer(romeo, question, useless)
    [question] = questions(juliet.received())
    answer(juliet, question, AVATARS)
    assert watched.features(juliet) == AVATARS.features
    assert watched.features(romeo) == (useless.features if useless is not None else frozenset())


def test_a_client_that_did_not_answer_is_asked_again_with_its_next_presence(watched: Watched, romeo: Client) -> None:
    answer(romeo, announce(romeo, c(AVATARS))[0], None)
    [question] = announce(romeo, c(AVATARS))
    answer(romeo, question, AVATARS)
    assert watched.features(romeo) == AVATARS.features


def test_a_client_that_never_answers_is_given_up(tmp_path: Path) -> None:
    with server_in(tmp_path, client_caps={"answer_seconds": 1}) as server:
        add_accounts(server, "romeo", "juliet")
        watched = Watched(server)
        romeo, juliet = watched.client("romeo@localhost/orchard"), watched.client("juliet@localhost/balcony")
        announce(romeo, c(AVATARS))
        announce(juliet, c(AVATARS))
        with gevent.Timeout(60):
            while not (asked := questions(juliet.received())):
                gevent.sleep(0.01)
        answer(juliet, asked[0], AVATARS)
        assert watched.features(juliet) == AVATARS.features
        assert not server.state(Known).waiting


def test_a_session_that_has_ended_is_not_asked(watched: Watched, romeo: Client, juliet: Client) -> None:
    [question] = announce(romeo, c(AVATARS))
    announce(juliet, c(AVATARS))
    juliet.session.end()
    answer(romeo, question, None)
    assert questions(juliet.received()) == []
    assert not watched.server.state(Known).waiting


def test_one_client_is_asked_one_question_at_a_time(watched: Watched, romeo: Client) -> None:
    [question] = announce(romeo, c(AVATARS))
    assert announce(romeo, c(SIMPLE)) == []
    [question] = answer(romeo, question, AVATARS)
    answer(romeo, question, SIMPLE)
    assert [features for _, features in watched.known] == [SIMPLE.features]


def test_a_language_that_is_not_written_out_counts(watched: Watched, romeo: Client, juliet: Client) -> None:
    spoken = replace(AVATARS, identities=(Identity("client", "phone", "Rapier", "en"),))
    answer(romeo, announce(romeo, c2(spoken, "sha-256"))[0], AVATARS)
    assert announce(juliet, c2(spoken, "sha-256")) == []


def test_a_step_that_fails_keeps_nobody_waiting(watched: Watched, romeo: Client, juliet: Client) -> None:
    def fail(session: Any, features: frozenset[str]) -> None:
        raise RuntimeError("a mistake")

    tables = watched.server.tables
    watched.server.tables = tables.but(CAPS_KNOWN.runs(fail, *tables[CAPS_KNOWN]))
    [question] = announce(romeo, c(AVATARS))
    announce(juliet, c(AVATARS))
    answer(romeo, question, AVATARS)
    assert [jid for jid, _ in watched.known] == [romeo.jid, juliet.jid]


# -- row 28


def test_row_28_a_hash_is_not_believed_without_proof(watched: Watched, romeo: Client, juliet: Client) -> None:
    answer(romeo, announce(romeo, c(AVATARS))[0], SIMPLE)
    assert watched.features(romeo) == SIMPLE.features  # its own affair
    [question] = announce(juliet, c(AVATARS))
    answer(juliet, question, AVATARS)
    assert watched.features(juliet) == AVATARS.features


@pytest.mark.parametrize("info", FORGERIES.values(), ids=FORGERIES)
def test_row_28_a_forged_answer_is_not_remembered(watched: Watched, romeo: Client, juliet: Client, info: Info) -> None:
    answer(romeo, announce(romeo, c(AVATARS))[0], info)
    assert len(announce(juliet, c(AVATARS))) == 1


def test_row_28_an_ill_formed_answer_says_nothing(watched: Watched, romeo: Client) -> None:
    [question] = announce(romeo, c(AVATARS))
    twice = f"<query xmlns='{INFO}'><feature var='a'/><feature var='a'/></query>"
    romeo.sends(f"<iq type='result' id='{question.get('id')}' to='localhost'>{twice}</iq>")
    assert watched.features(romeo) == frozenset()
    assert watched.known == []


def test_row_28_nobody_answers_for_somebody_else(watched: Watched, romeo: Client, juliet: Client) -> None:
    [question] = announce(romeo, c(AVATARS))
    answer(juliet, question, AVATARS)
    assert watched.known == []


def test_row_28_one_xep_does_not_prove_the_hash_of_the_other(watched: Watched, romeo: Client, juliet: Client) -> None:
    answer(romeo, announce(romeo, c(AVATARS))[0], AVATARS)
    assert len(announce(juliet, c2(AVATARS, "sha-256"))) == 1


# -- bounds


def test_what_is_remembered_is_bounded_and_what_is_used_stays() -> None:
    known, names = Known(), [f"feature {number}" for number in range(10)]
    hashes = [Hash(CAPS, "sha-1", name) for name in names]
    most = 4 * client_caps.size_of(names[:1])
    for hash, name in zip(hashes, names, strict=True):
        known.remember(hash, frozenset({name}), most)
        assert known.features(hashes[0]) == frozenset({names[0]})
    assert [hash for hash in hashes if known.features(hash) is not None] == [hashes[0], *hashes[-3:]]


def test_an_answer_that_is_too_long_says_nothing(tmp_path: Path) -> None:
    with server_in(tmp_path, client_caps={"max_bytes": 1000}) as server:
        add_accounts(server, "romeo")
        romeo = Client(server, "romeo@localhost/orchard")
        long = replace(AVATARS, features=frozenset({"x" * 1000}))
        answer(romeo, announce(romeo, c(long))[0], long)
        assert features_of(server, romeo.jid) == frozenset()


def test_where_it_is_switched_off_nobody_is_asked(tmp_path: Path) -> None:
    with server_in(tmp_path, client_caps={"enabled": False}) as server:
        add_accounts(server, "romeo")
        assert announce(Client(server, "romeo@localhost/orchard"), c(AVATARS)) == []
