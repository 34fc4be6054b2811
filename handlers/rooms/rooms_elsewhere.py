"""XEP-0410, by the server: whether its people are still in the rooms elsewhere that they have entered.

A room can lose an occupant without a word: it was restarted, or one server could not reach the other for a while. The
client goes on waiting for what is said there, most of all one that sleeps. So the server asks the room now and then,
as the session that is in it, takes the answer itself, and tells the client where it is out; clients enter again then.
"""

import logging
from dataclasses import dataclass
from functools import partial
from secrets import randbelow
from time import monotonic
from typing import TYPE_CHECKING, Literal

import gevent

from handlers.discovery import ping
from handlers.rooms.stays import Rounds, Stay, Stays
from handlers.rooms.telling import MUC, MUC_USER, X
from xmpp.config.configuration import setting
from xmpp.data import names
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.routing.delivery import STOP, Delivery, concerns
from xmpp.routing.feature import Feature
from xmpp.running.handling import Handled

if TYPE_CHECKING:
    from xmpp.routing.servers import Server
    from xmpp.routing.session import Session

log = logging.getLogger(__name__)

QUESTION = f'<ping xmlns="{ping.NAMESPACE}"/>'.encode()
STATUS = f"{{{MUC_USER}}}status"
SELF, NEW_NICK = "110", "303"
LOST = (
    f'<x xmlns="{MUC_USER}"><item affiliation="none" role="none"/><status code="110"/><status code="333"/></x>'.encode()
)

# What the errors say (section 3.2): the session is in the room, but who was asked there does not know pings; or nobody
# could be asked. Any other error comes from a room that it is not in. So does <item-not-found/>: the text means a nick
# that was changed meanwhile, but the room has told us of that before (see `_heed`), and with Prosody and ejabberd it is
# the room that is not there any more.
STILL_IN = frozenset({"feature-not-implemented", "service-unavailable"})
UNREACHABLE = frozenset({"remote-server-not-found", "remote-server-timeout"})
MOST_MISSED = 4
"""After so many questions in a row that did not reach the room's server it is gone."""

ANSWER_SECONDS = 120.0
AT_ONCE = 50
"""So many questions go out together, between two pauses."""
MAX_UNDER_WAY = 1_000
PAUSE_SECONDS = 0.1
LOOK_SECONDS = 30.0
"""At the latest after that it is looked which questions are due."""


@dataclass(frozen=True)
class RoomsElsewhereSettings:
    """Rooms at other servers, and whether people of this one are still in them."""

    ping_seconds: int = setting(900, "How often a room elsewhere is asked whether a session is still in it, about.",
                                minimum=10, maximum=86_400)  # fmt: skip


feature = Feature("rooms_elsewhere", xep="0410", settings=RoomsElsewhereSettings, needs=["presence"])


# -- who is where


@feature.step
@concerns(f"{{{MUC}}}x")
def note_entering(delivery: Delivery) -> None:
    """PRESENCE_SENT: a session enters a room, or enters it again: what was asked before that says nothing any more."""
    stanza, session = delivery.stanza, delivery.session
    if stanza.to is None or stanza.to.is_bare or stanza.type is not None or delivery.server.runs(stanza.to.domain):
        return
    stays = session.state(Stays)
    if stays is None:
        session.keep(stays := Stays())
    older = stays.rooms.get(stanza.to.bare)
    if older is not None:
        _forget(older)
    _forget_those_left(session, stays)
    stays.rooms[stanza.to.bare] = Stay(session, stanza.to)


@feature.step
@concerns(X)
def note_told(delivery: Delivery) -> None:
    """PRESENCE_RECEIVED: a room tells a session of itself: that it is in, has another nick, or is out."""
    stanza = delivery.stanza
    stay = _stay_of(delivery)
    if stay is None or stanza.sender is None or stanza.type not in (None, "unavailable"):
        return
    codes = {status.get("code") for x in stanza.children(X) for status in x.iterchildren(STATUS)}
    if SELF not in codes:
        return
    if stanza.type is None:
        stay.address = stanza.sender
        if not stay.is_in:
            stay.is_in = True
            _ask_later(delivery.server, stay)
    elif NEW_NICK not in codes:
        _leave(stay)


def _stay_of(delivery: Delivery) -> Stay | None:
    stanza = delivery.stanza
    assert stanza.to is not None
    if stanza.to.is_bare or stanza.sender is None:
        return None
    session = delivery.server.online.session(stanza.to)
    stays = None if session is None else session.state(Stays)
    return None if stays is None else stays.rooms.get(stanza.sender.bare)


@feature.step
def forget_session(session: "Session") -> None:
    """SESSION_ENDED: it has left all rooms, or is leaving them now."""
    stays = session.state(Stays)
    for stay in [] if stays is None else list(stays.rooms.values()):
        _forget(stay)


def _forget(stay: Stay) -> None:
    stays = stay.session.state(Stays)
    if stays is not None and not stay.is_over:
        stay.is_over = True
        del stays.rooms[stay.address.bare]
        if stay.is_in:
            stay.session.server.state(Rounds).note_over()


def _leave(stay: Stay) -> None:
    """The room has put it out: when the session ends that is not to be ended there."""
    _forget(stay)
    directed = stay.session.directed
    directed.difference_update([to for to in directed if to.bare == stay.address.bare])


def _forget_those_left(session: "Session", stays: Stays) -> None:
    """So no more stays are kept than addresses to which the session has sent presence, which has a limit."""
    if len(stays.rooms) >= len(session.directed):
        shown_to = {to.bare for to in session.directed}
        for room, stay in list(stays.rooms.items()):
            if room not in shown_to:
                _forget(stay)


# -- asking


@feature.step
def take_answer(delivery: Delivery) -> Literal["stop"] | None:
    """IQ_RECEIVED: an answer to what the server has asked as this session is not for its client. Nor is the question,
    which rooms without the optimisation of section 4 pass on to the session itself: a client that sleeps could not
    answer it."""
    iq, server = delivery.stanza, delivery.server
    if not iq.is_request:
        return STOP if server.requests.answered(iq) else None
    stay = _stay_of(delivery)
    if stay is None or not stay.is_asked or iq.sender != stay.address or iq.only_child().tag != ping.PING:
        return None
    server.router.route(iq.result())
    return STOP


def ask_due(server: "Server", now: float) -> None:
    """Ask about those whose time has come by then (time.monotonic), each once; no more than AT_ONCE."""
    rounds = server.state(Rounds)
    most = min(AT_ONCE, MAX_UNDER_WAY - rounds.under_way)
    for stay in [stay for _ in range(most) if (stay := rounds.take(now)) is not None]:
        _ask(server, rounds, stay)


def _ask_later(server: "Server", stay: Stay) -> None:
    """After three to five quarters of the time that is set: not together with all who have entered together."""
    rounds, seconds = server.state(Rounds), server.settings(RoomsElsewhereSettings).ping_seconds
    rounds.add(stay, monotonic() + seconds * (750 + randbelow(501)) / 1000)
    if rounds.greenlet is None and not server.is_stopping:
        rounds.greenlet = gevent.spawn(_go_round, server, rounds)


def _go_round(server: "Server", rounds: Rounds) -> None:
    try:
        while rounds.due or rounds.under_way:
            wait = rounds.due[0][0] - monotonic() if rounds.due else LOOK_SECONDS
            gevent.sleep(min(max(wait, PAUSE_SECONDS), LOOK_SECONDS))
            try:
                with Handled():
                    ask_due(server, monotonic())
            except Exception:  # the others are asked all the same
                log.exception("cannot ask a room elsewhere")
    finally:
        rounds.greenlet = None


def _ask(server: "Server", rounds: Rounds, stay: Stay) -> None:
    if not any(to.bare == stay.address.bare for to in stay.session.directed):  # it has left
        _forget(stay)
        return
    rounds.under_way += 1
    stay.is_asked = True
    server.requests.ask(
        "get",
        QUESTION,
        to=stay.address,
        sender=stay.session.jid,
        seconds=ANSWER_SECONDS,
        on_reply=partial(_heed, server, stay, stay.address),
    )


def _heed(server: "Server", stay: Stay, asked: JID, answer: Stanza | None) -> None:
    """What the answer says of a stay; None where there was none, which says nothing."""
    server.state(Rounds).under_way -= 1
    stay.is_asked = False
    if stay.is_over:
        return
    if answer is not None and asked == stay.address and _is_lost(stay, answer):
        _tell_lost(stay)
    else:
        _ask_later(server, stay)


def _is_lost(stay: Stay, answer: Stanza) -> bool:
    error = next(answer.children(names.ERROR), None) if answer.type == "error" else None
    conditions = set() if error is None else {str(child.tag).rpartition("}")[2] for child in error}
    if not conditions.isdisjoint(UNREACHABLE):
        stay.missed += 1
        return stay.missed >= MOST_MISSED
    stay.missed = 0
    return error is not None and error.get("type") != "wait" and conditions.isdisjoint(STILL_IN)


def _tell_lost(stay: Stay) -> None:
    """Tell the client what the room would have, had it known (XEP-0045 section 17.1.3)."""
    session = stay.session
    was_left = not any(to.bare == stay.address.bare for to in session.directed)
    _leave(stay)
    if not was_left:
        session.send(Stanza.build("presence", LOST, type="unavailable", to=session.jid, sender=stay.address))


@feature.step
def stop(server: "Server") -> None:
    """SERVER_STOPPING: nobody is asked any more."""
    greenlet = server.state(Rounds).greenlet
    if greenlet is not None:
        greenlet.kill(block=False)
