"""RFC 6121 section 4: presence goes to those who are subscribed to it, and its end to all who have seen it."""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from db import rosters, subscription_requests
from handlers.contacts import missed_presence, presence_shown
from handlers.contacts.access import is_blocked, sees_presence
from handlers.messages import delay
from handlers.profile import photo_hash
from xmpp.config.configuration import setting
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.routing.delivery import STOP, Delivery
from xmpp.routing.feature import Feature
from xmpp.routing.tables import SessionStep, Table
from xmpp.running.handling import Handled

if TYPE_CHECKING:
    from xmpp.routing.servers import Server
    from xmpp.routing.session import Session

PRIORITY = "{jabber:client}priority"
INTEGER = re.compile(r"[+-]?[0-9]{1,3}")


@dataclass(frozen=True)
class PresenceSettings:
    """Presence."""

    max_directed: int = setting(500, "To how many addresses one session may send presence of its own accord.",
                                minimum=1, maximum=100_000)  # fmt: skip


feature = Feature("presence", rfc="6121", settings=PresenceSettings, optional=False)

SESSION_AVAILABLE = Table[SessionStep]("SESSION_AVAILABLE")  # initial presence: a session becomes available
# f(server, stanza, is_initial): a session has said that it is available, for the first time or anew, or that it is not.
PRESENCE_SAID = Table[Callable[["Server", Stanza, bool], None]]("PRESENCE_SAID")


# -- steps for what a client sends


@feature.step
def broadcast(delivery: Delivery) -> None:
    """PRESENCE_SENT: presence without an addressee goes to all subscribers and to the account's own sessions."""
    stanza, session = delivery.stanza, delivery.session
    if stanza.to is not None or stanza.type == "error":
        return
    if stanza.type is None:
        _appear(session, stanza)
    elif stanza.type == "unavailable":
        if session.is_available:
            session.send(stanza)  # an account sees its own presence, whichever of its sessions sends it (4.5.2)
        _disappear(session, stanza)
    else:
        raise StanzaError("bad-request", f"presence of type {stanza.type} needs an addressee")


@feature.step
def direct(delivery: Delivery) -> Literal["stop"] | None:
    """PRESENCE_SENT: let presence with an addressee go on to it, and remember the addressee, who is told when the
    session ends (section 4.6)."""
    stanza, session = delivery.stanza, delivery.session
    if stanza.to is None:
        return STOP
    if stanza.type is None:
        _remember_directed(session, stanza.to)
        delivery.stanza = photo_hash.with_photo_hash(delivery.server, delivery.account, stanza)
    elif stanza.type == "unavailable":
        session.directed.discard(stanza.to)
    return None


@feature.step
def leave(session: "Session") -> None:
    """SESSION_ENDED: send unavailable presence to everybody who has seen the session's."""
    _disappear(session, Stanza.build("presence", type="unavailable", sender=session.jid))


@feature.step
def forget_account(server: "Server", account: JID) -> None:
    """ACCOUNT_REMOVED: sessions forget that they sent it directed presence, or whoever gets the address would be told
    when they end."""
    for session in server.online:
        if session.directed:
            session.directed.difference_update([to for to in session.directed if to.bare == account])


# -- steps for what an account receives


@feature.step
def answer_probe(delivery: Delivery) -> Literal["stop"] | None:
    """PRESENCE_RECEIVED: answer a probe with the presence of each session, if the asker may see it (section 4.3.2)."""
    stanza, server, account = delivery.stanza, delivery.server, delivery.account
    if stanza.type != "probe":
        return None
    assert stanza.sender is not None and stanza.to is not None
    viewer = stanza.sender.bare
    if sees_presence(server, account, viewer):
        shown = [each for each in server.online.available(account) if stanza.to in (account, each.jid)]
        for session in shown:
            server.router.route(current_presence(server, session).addressed(viewer))
        answer = None if shown else "unavailable"
    else:
        answer = "unavailable" if subscription_requests.is_pending(server.db, account, viewer) else "unsubscribed"
    if answer is not None:
        server.router.route(Stanza.build("presence", type=answer, to=viewer, sender=account))
    return STOP


# -- for other features


def current_presence(server: "Server", session: "Session") -> Stanza:
    """The last presence of an available session, with the time at which it was sent; without an addressee."""
    assert session.presence is not None
    stamped = session.presence.with_first(delay.stamp(session.account.domain, session.presence_at), delay.DELAY)
    return photo_hash.with_photo_hash(server, session.account, stamped)


def end_all(server: "Server", account: JID) -> Iterator[None]:
    """End the presence of all sessions of an account that is about to be removed. Returns the steps that tell those who
    have seen it; who they are is found out now."""
    audience = presence_shown.audience(server, account)
    seen = list[tuple[Stanza, Sequence[JID], Set[JID]]]()
    for session in server.online.sessions(account):
        directed = {to for to in session.directed if not is_blocked(server, account, to)}
        gone = Stanza.build("presence", type="unavailable", sender=session.jid)
        seen.append((gone, audience if session.is_available else (), directed))
        session.presence, session.priority, session.directed = None, 0, set()
    return _end(server, seen, server.online.next_number())


def _end(server: "Server", seen: Iterable[tuple[Stanza, Sequence[JID], Set[JID]]], now: int) -> Iterator[None]:
    for gone, audience, directed in seen:
        _said(server, gone)
        yield from presence_shown.show_end(server, gone, audience, now)
        told = set(audience)
        for to in directed:
            if to.bare not in told and server.ownership.may_be_online(to.bare):
                server.router.route(gone.addressed(to))
                yield


def is_shown(server: "Server", account: JID, viewer: JID) -> bool:
    """True if the viewer may see the presence of an account that is ours, and neither has blocked the other."""
    return (
        sees_presence(server, account, viewer)
        and not is_blocked(server, account, viewer)
        and not is_blocked(server, viewer, account)
    )


def send_current(server: "Server", account: JID, to: JID) -> None:
    """Show an address the presence of each available session of an account."""
    for session in server.online.available(account):
        _pass_on(server, account, current_presence(server, session), to)


def send_unavailable(server: "Server", account: JID, to: JID) -> None:
    """Show an address that each available session of an account is gone."""
    for session in server.online.available(account):
        _pass_on(server, account, Stanza.build("presence", type="unavailable", sender=session.jid), to)


def probe(server: "Server", account: JID, contact: JID) -> None:
    """Ask for the presence of a contact, or of one of its resources, on behalf of an account (section 4.3.1)."""
    if not server.ownership.is_ours(contact):
        server.router.route(Stanza.build("presence", type="probe", to=contact, sender=account))
    elif is_shown(server, contact, account):
        send_current(server, contact, account)


def broadcast_again(server: "Server", account: JID) -> None:
    """Send the presence of each available session again, since the hash that the server adds has changed."""
    for session in server.online.available(account):
        assert session.presence is not None
        _announce(session, photo_hash.with_photo_hash(server, account, session.presence), is_of_stored=True)


# -- coming and going


def _appear(session: "Session", stanza: Stanza) -> None:
    priority = _priority(stanza)
    is_initial = not session.is_available
    session.presence, session.presence_at, session.priority = stanza.kept(), time.time(), priority
    _announce(session, photo_hash.with_photo_hash(session.server, session.account, stanza), is_initial=is_initial)
    if is_initial:
        session.send_all(_presence_of_others(session))
        for step in session.server.tables[SESSION_AVAILABLE]:
            step(session)


def _disappear(session: "Session", stanza: Stanza) -> None:
    """Send unavailable presence to all who have seen the session's, to each once. It is gone whatever becomes of what
    was stored on that occasion, so nobody waits for the disk."""
    told = set[JID]()
    if session.is_available:
        session.presence, session.priority = None, 0
        told = {session.account, *rosters.subscribers(session.server.db, session.account)}
        _announce_end(session, stanza)
    directed, session.directed = session.directed, set()
    with Handled():
        for to in directed:
            if to.bare not in told:
                _pass_on(session.server, session.account, stanza, to)


def _announce(session: "Session", stanza: Stanza, *, is_of_stored: bool = False, is_initial: bool = False) -> None:
    """Send presence to subscribers and to the account's own available sessions (4.2.2, 4.4.2).

    To many subscribers in portions, after what they were to be shown of the account before. Nobody is shown it any more
    once the session is gone: its end is only for those who were there by then, and not for who comes later.
    """
    server, account, is_at_once = session.server, session.account, True

    def is_shown_to(contact: JID) -> bool:
        if not session.is_available:
            return False
        if is_at_once:
            return True  # the audience was found out just now
        return sees_presence(server, account, contact) and not is_blocked(server, account, contact)

    steps = presence_shown.show(server, stanza, presence_shown.audience(server, account), is_shown_to)
    server.portions.begin(account, steps, is_of_stored=is_of_stored)
    is_at_once = False
    _show_own(session, stanza)
    _said(server, stanza, is_initial=is_initial)


def _announce_end(session: "Session", stanza: Stanza) -> None:
    """`_announce`, for unavailable presence: it goes to all who see the session now, even to those who may not see it
    any more when it is their turn, or they would never hear that it is gone."""
    server, account = session.server, session.account
    audience, now = presence_shown.audience(server, account), server.online.next_number()
    server.portions.begin(account, presence_shown.show_end(server, stanza, audience, now), is_of_stored=False)
    with Handled():
        _show_own(session, stanza)
        _said(server, stanza)


def _said(server: "Server", stanza: Stanza, *, is_initial: bool = False) -> None:
    for step in server.tables[PRESENCE_SAID]:
        step(server, stanza, is_initial)


def _show_own(session: "Session", stanza: Stanza) -> None:
    for own in session.server.online.available(session.account):
        own.send(stanza)


def _presence_of_others(session: "Session") -> Iterator[Stanza]:
    """What a session gets to see when it becomes available: the account's other sessions, and its contacts.

    The presence of contacts who are ours is read, and not probed for; those who are not online cost nothing.
    """
    server, account = session.server, session.account
    for other in _others(session):
        if not session.is_available:
            return
        if other.is_available and (other.account == account or is_shown(server, other.account, account)):
            yield current_presence(server, other).addressed(account)
        elif is_blocked(server, account, other.jid):
            missed_presence.note(server, account, other.jid)


def _others(session: "Session") -> "Iterator[Session]":
    server, account = session.server, session.account
    yield from (own for own in server.online.available(account) if own is not session)
    for contact in rosters.subscribed_to(server.db, account):
        theirs = server.ownership.available(contact)
        if theirs is not None:
            yield from theirs
        elif is_blocked(server, account, contact):
            missed_presence.note(server, account, contact)
        else:
            probe(server, account, contact)


def _pass_on(server: "Server", account: JID, stanza: Stanza, to: JID) -> None:
    """Send an account's presence to one address, unless nobody is there or the account has blocked it."""
    if server.ownership.may_be_online(to.bare) and not is_blocked(server, account, to):
        server.router.route(stanza.addressed(to))


def _remember_directed(session: "Session", to: JID) -> None:
    most = session.server.settings(PresenceSettings).max_directed
    if to not in session.directed and len(session.directed) >= most:
        raise StanzaError("resource-constraint", f"presence may be sent to at most {most} addresses")
    session.directed.add(to)


def _priority(stanza: Stanza) -> int:
    """Section 4.7.2.3: an integer from -128 to 127, 0 where there is none."""
    element = stanza.child(PRIORITY)
    if element is None:
        return 0
    text = (element.text or "").strip()
    if not INTEGER.fullmatch(text) or not -128 <= int(text) <= 127:
        raise StanzaError("bad-request", "a priority is an integer from -128 to 127")
    return int(text)
