"""XEP-0115 and XEP-0390, the other way round: the server learns what its clients support from their presence.

A client announces a hash. Whoever announces one that nobody has proven yet is asked what is behind it. What it says
counts for all who announce that hash if it has that hash, else for itself alone. Whose connection broke meanwhile is
asked again on the next one; nobody waits for the answer of somebody who is gone.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from lxml import etree

from handlers.discovery.announced_caps import C2, Announced, C, announced_in
from handlers.discovery.caps_hashes import Hash
from xmpp.config.configuration import setting
from xmpp.data import names
from xmpp.data.disco import INFO, INFO_QUERY, Info
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import wire
from xmpp.routing.delivery import Delivery, concerns
from xmpp.routing.feature import Feature
from xmpp.routing.tables import Table

if TYPE_CHECKING:
    from xmpp.routing.servers import Server
    from xmpp.routing.session import Session

log = logging.getLogger(__name__)

FEATURE_BYTES = 64  # what a feature takes in memory beside its characters
STREAM_LANGUAGE = "en"  # of clients that name no other


@dataclass(frozen=True)
class ClientCapsSettings:
    """What clients support: learned from their presence, and by asking."""

    answer_seconds: int = setting(30, "How long a client may take to say what it supports.", minimum=1, maximum=3_600)
    max_bytes: int = setting(65_536, "How long the features of one client may be together.",
                             minimum=1_000, maximum=10_000_000, at_most="known_bytes")  # fmt: skip
    known_bytes: int = setting(4 << 20, "How much is remembered for all clients that announce the same hash.",
                               minimum=65_536, maximum=1 << 30)  # fmt: skip


feature = Feature("client_caps", xep="0115", settings=ClientCapsSettings)

# f(session, features): what its client supports is known, or has changed.
CAPS_KNOWN = Table[Callable[["Session", frozenset[str]], None]]("CAPS_KNOWN")


class Capabilities:
    """What is known of one session's client."""

    __slots__ = ("announced", "features", "is_waiting", "asked_for_all")

    def __init__(self) -> None:
        self.announced: Announced | None = None  # last
        self.features: frozenset[str] | None = None  # None: unknown
        self.is_waiting = False  # for its own answer, or for somebody else's
        self.asked_for_all: Hash | None = None  # others wait for its own


class Known:
    """The features behind hashes that were proven, those that were used last; and who waits for which."""

    def __init__(self) -> None:
        self.waiting: dict[Hash, list[Session]] = {}  # for the answer of somebody who was asked before
        self._features: OrderedDict[Hash, frozenset[str]] = OrderedDict()
        self._size = 0  # bytes, about

    def features(self, hash: Hash) -> frozenset[str] | None:
        """The features behind this hash, or None."""
        found = self._features.get(hash)
        if found is not None:
            self._features.move_to_end(hash)
        return found

    def remember(self, hash: Hash, features: frozenset[str], most: int) -> None:
        """Remember the features behind a hash, and forget others where all would take more than so many bytes."""
        if hash in self._features:
            return
        self._features[hash] = features
        self._size += size_of(features)
        while self._size > most and len(self._features) > 1:
            _, forgotten = self._features.popitem(last=False)
            self._size -= size_of(forgotten)


def size_of(features: Iterable[str]) -> int:
    """How much memory features take, about."""
    return sum(len(each) + FEATURE_BYTES for each in features)


def features_of(server: "Server", jid: JID) -> frozenset[str]:
    """What the client of a local session (full address) supports; empty as long as that is unknown. No query."""
    session = server.online.session(jid)
    state = session.state(Capabilities) if session is not None else None
    return state.features or frozenset() if state is not None else frozenset()


def supports(session: "Session", feature: str) -> bool:
    """Whether a session's client supports this, as far as that is known. No query."""
    state = session.state(Capabilities)
    return state is not None and state.features is not None and feature in state.features


def question(announced: Announced) -> bytes:
    """What is asked to learn what is behind what a client announces (XEP-0115 section 6.2, XEP-0390 section 5.5)."""
    return wire(etree.Element(INFO_QUERY, node=announced.node, nsmap={None: INFO}))


def features_in(reply: Stanza | None, hash: Hash | None, most: int) -> tuple[frozenset[str] | None, bool]:
    """The features in an answer, None where it is of no use; and whether they are proven to be those of the hash.

    Languages that are not written out count for a hash (XEP-0390 section 4.1), but not all clients know that.
    """
    query = reply.child(INFO_QUERY) if reply is not None and reply.type == "result" else None
    if reply is None or query is None:
        return None, False
    try:
        readings = [Info.read(query, language) for language in ("", reply.element.get(names.XML_LANG, STREAM_LANGUAGE))]
    except ValueError:
        return None, False
    features = readings[0].features
    if size_of(features) > most:
        return None, False
    return features, hash is not None and any(hash.is_proven_by(query, info) for info in readings)


# -- steps


@feature.step
def begin_anew(session: "Session") -> None:
    """SESSION_AVAILABLE: each time that a client comes, CAPS_KNOWN runs for it."""
    state = session.state(Capabilities)
    if state is not None:
        state.announced = state.features = None


@feature.step
def ask_again(session: "Session") -> None:
    """SESSION_RESUMED: whoever has not answered while it had no connection."""
    if session.presence is not None:
        _note(session, session.presence)


@feature.step
def let_others_go_on(session: "Session") -> None:
    """SESSION_ENDED: it will not answer any more."""
    state = session.state(Capabilities)
    if state is not None and state.asked_for_all is not None:
        for other in _others_waiting(session.server, state):
            _go_on(other, asks_itself=False)


@feature.step
@concerns(C, C2)
def note_announced(delivery: Delivery) -> None:
    """PRESENCE_SENT, after the broadcast: look up what the client announces, or ask it.

    Presence that announces nothing changes nothing (XEP-0115 section 8.4, XEP-0390 section 6.2).
    """
    stanza, session = delivery.stanza, delivery.origin
    if stanza.to is not None or stanza.type is not None:
        return
    _note(session, stanza)


def _note(session: "Session", presence: Stanza) -> None:
    announced = announced_in(presence)
    if announced is None:
        return
    state = session.state(Capabilities)
    if state is None:
        state = Capabilities()
        session.keep(state)
    if announced != state.announced:
        state.announced = announced
        _learn(session, state)


# -- asking


def _learn(session: "Session", state: Capabilities) -> None:
    """Find out what is behind what a client announces; if it announces much, one after the other."""
    announced = state.announced
    if announced is None or state.is_waiting or not _is_online(session):
        return
    known, hash = session.server.state(Known), announced.hash
    features = known.features(hash) if hash is not None else None
    if features is not None:
        _settle(session, state, features)
    elif hash is not None and hash in known.waiting:
        state.is_waiting = True
        known.waiting[hash].append(session)
    else:
        if hash is not None:
            known.waiting[hash] = []
        state.asked_for_all = hash
        _ask(session, state, announced)


def _ask(session: "Session", state: Capabilities, announced: Announced) -> None:
    state.is_waiting = True
    session.server.requests.ask(
        "get",
        question(announced),
        to=session.jid,
        sender=JID.parse(session.account.domain),
        seconds=session.server.settings(ClientCapsSettings).answer_seconds,
        on_reply=partial(_answered, session, state, announced, session.connection),
    )


def _answered(
    session: "Session", state: Capabilities, announced: Announced, asked_on: object, reply: Stanza | None
) -> None:
    """What a client says of itself, or None if it says nothing: for it, and for those who waited for that. `asked_on`:
    the connection."""
    if not _is_online(session):
        return  # nobody waits any more
    known, settings, hash = session.server.state(Known), session.server.settings(ClientCapsSettings), announced.hash
    others = _others_waiting(session.server, state)
    features, is_proven = features_in(reply, hash, settings.max_bytes)
    if hash is not None and features is not None and is_proven:
        known.remember(hash, features, settings.known_bytes)
        others += known.waiting.pop(hash, [])  # for somebody else's answer, before it was asked itself
    state.is_waiting = False
    if state.announced != announced:
        _withdraw(session, state, features)
        _learn(session, state)
    elif features is None and session.connection not in (None, asked_on):
        _learn(session, state)  # that one broke
    elif features is None:
        state.announced = None  # with its next presence it is asked again
    else:
        _settle(session, state, features)
    for other in others:
        _go_on(other, asks_itself=not is_proven)


def _others_waiting(server: "Server", state: Capabilities) -> "list[Session]":
    """Those who wait for an answer that is there now, or will never be: they are to go on."""
    hash, state.asked_for_all = state.asked_for_all, None
    return server.state(Known).waiting.pop(hash, []) if hash is not None else []


def _withdraw(session: "Session", state: Capabilities, features: frozenset[str] | None) -> None:
    """A client announces something else by now. What it did not support in between, and does again, is new."""
    if features is not None and state.features is not None:
        _settle(session, state, state.features & features)


def _go_on(session: "Session", *, asks_itself: bool) -> None:
    """The answer that a session has waited for is there; or it was of no use, and each has to answer for itself, so
    that nobody can keep the others waiting for long."""
    state = session.state(Capabilities)
    assert state is not None
    state.is_waiting = False
    if asks_itself and state.announced is not None and _is_online(session):
        _ask(session, state, state.announced)
    else:
        _learn(session, state)


def _settle(session: "Session", state: Capabilities, features: frozenset[str]) -> None:
    """Let the steps of CAPS_KNOWN know what a client supports, if that is new."""
    if features == state.features or not _is_online(session):
        return
    state.features = features
    for step in session.server.tables[CAPS_KNOWN]:
        try:
            step(session, features)
        except Exception:  # one feature's failure must not keep the others waiting, nor those who wait for this answer
            log.exception("%r: what its client supports could not be heeded", session)


def _is_online(session: "Session") -> bool:
    return session.server.online.session(session.jid) is session
