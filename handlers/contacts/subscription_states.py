"""The subscription states of RFC 6121 appendix A, and pre-approval (section 3.4): how each stanza changes them.

Seen from one account, towards one contact. Nothing is stored or sent here.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple


class State(NamedTuple):
    """How an account stands to a contact. The first four make the nine states of appendix A.1."""

    to: bool = False
    """The account gets the contact's presence."""
    from_: bool = False
    """The contact gets the account's presence."""
    pending_out: bool = False
    """The account has asked to subscribe, the contact has not answered."""
    pending_in: bool = False
    """The contact has asked to subscribe, the account has not answered."""
    approved: bool = False
    """The account has approved a request before it came."""


class Change(NamedTuple):
    """What a stanza does. `state`: the one after it. `is_passed_on`: it goes on to the contact, or to the account's
    resources. `is_approved`: the server itself answers with `subscribed`."""

    state: State
    is_passed_on: bool
    is_approved: bool = False


def sent(state: State, type: str) -> Change:
    """What the account's own stanza does (appendix A.2)."""
    return _SENT[type](state)


def received(state: State, type: str) -> Change:
    """What the contact's stanza does (appendix A.3)."""
    return _RECEIVED[type](state)


# -- sent: `subscribe` and `unsubscribe` are always passed on, which repairs states that contradict each other


def _ask(state: State) -> Change:
    return Change(state._replace(pending_out=not state.to), is_passed_on=True)


def _withdraw(state: State) -> Change:
    return Change(state._replace(to=False, pending_out=False), is_passed_on=True)


def _approve(state: State) -> Change:
    if state.pending_in:
        return Change(state._replace(from_=True, pending_in=False), is_passed_on=True)
    if state.from_:
        return Change(state, is_passed_on=False)
    return Change(state._replace(approved=True), is_passed_on=False)


def _cancel(state: State) -> Change:
    after = state._replace(from_=False, pending_in=False, approved=False)
    return Change(after, is_passed_on=state.from_ or state.pending_in)


# -- received: what changes nothing is not passed on


def _be_asked(state: State) -> Change:
    if state.from_ or state.approved:
        return Change(state._replace(from_=True, pending_in=False), is_passed_on=False, is_approved=True)
    return Change(state._replace(pending_in=True), is_passed_on=not state.pending_in)


def _be_left(state: State) -> Change:
    return Change(state._replace(from_=False, pending_in=False), is_passed_on=state.from_ or state.pending_in)


def _be_approved(state: State) -> Change:
    if not state.pending_out:
        return Change(state, is_passed_on=False)
    return Change(state._replace(to=True, pending_out=False), is_passed_on=True)


def _be_cancelled(state: State) -> Change:
    return Change(state._replace(to=False, pending_out=False), is_passed_on=state.to or state.pending_out)


Transition = Callable[[State], Change]

_SENT: Mapping[str, Transition] = {
    "subscribe": _ask,
    "unsubscribe": _withdraw,
    "subscribed": _approve,
    "unsubscribed": _cancel,
}
_RECEIVED: Mapping[str, Transition] = {
    "subscribe": _be_asked,
    "unsubscribe": _be_left,
    "subscribed": _be_approved,
    "unsubscribed": _be_cancelled,
}
