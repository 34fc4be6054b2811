"""The tables of RFC 6121 appendix A, whole, and pre-approval (section 3.4)."""

import pytest

from handlers.contacts.subscription_states import Change, State, received, sent

STATES = {
    "None": State(),
    "None + Pending Out": State(pending_out=True),
    "None + Pending In": State(pending_in=True),
    "None + Pending Out+In": State(pending_out=True, pending_in=True),
    "To": State(to=True),
    "To + Pending In": State(to=True, pending_in=True),
    "From": State(from_=True),
    "From + Pending Out": State(from_=True, pending_out=True),
    "Both": State(to=True, from_=True),
}

# Existing state: (whether the stanza is routed, the state after it). "=" is no change.
SENT = {
    "subscribe": {
        "None": (True, "None + Pending Out"),
        "None + Pending Out": (True, "="),
        "None + Pending In": (True, "None + Pending Out+In"),
        "None + Pending Out+In": (True, "="),
        "To": (True, "="),
        "To + Pending In": (True, "="),
        "From": (True, "From + Pending Out"),
        "From + Pending Out": (True, "="),
        "Both": (True, "="),
    },
    "unsubscribe": {
        "None": (True, "="),
        "None + Pending Out": (True, "None"),
        "None + Pending In": (True, "="),
        "None + Pending Out+In": (True, "None + Pending In"),
        "To": (True, "None"),
        "To + Pending In": (True, "None + Pending In"),
        "From": (True, "="),
        "From + Pending Out": (True, "From"),
        "Both": (True, "From"),
    },
    "subscribed": {
        "None": (False, "="),
        "None + Pending Out": (False, "="),
        "None + Pending In": (True, "From"),
        "None + Pending Out+In": (True, "From + Pending Out"),
        "To": (False, "="),
        "To + Pending In": (True, "Both"),
        "From": (False, "="),
        "From + Pending Out": (False, "="),
        "Both": (False, "="),
    },
    "unsubscribed": {
        "None": (False, "="),
        "None + Pending Out": (False, "="),
        "None + Pending In": (True, "None"),
        "None + Pending Out+In": (True, "None + Pending Out"),
        "To": (False, "="),
        "To + Pending In": (True, "To"),
        "From": (True, "None"),
        "From + Pending Out": (True, "None + Pending Out"),
        "Both": (True, "To"),
    },
}

# Existing state: (whether the stanza is delivered, the state after it).
RECEIVED = {
    "subscribe": {
        "None": (True, "None + Pending In"),
        "None + Pending Out": (True, "None + Pending Out+In"),
        "None + Pending In": (False, "="),
        "None + Pending Out+In": (False, "="),
        "To": (True, "To + Pending In"),
        "To + Pending In": (False, "="),
        "From": (False, "="),
        "From + Pending Out": (False, "="),
        "Both": (False, "="),
    },
    "unsubscribe": {
        "None": (False, "="),
        "None + Pending Out": (False, "="),
        "None + Pending In": (True, "None"),
        "None + Pending Out+In": (True, "None + Pending Out"),
        "To": (False, "="),
        "To + Pending In": (True, "To"),
        "From": (True, "None"),
        "From + Pending Out": (True, "None + Pending Out"),
        "Both": (True, "To"),
    },
    "subscribed": {
        "None": (False, "="),
        "None + Pending Out": (True, "To"),
        "None + Pending In": (False, "="),
        "None + Pending Out+In": (True, "To + Pending In"),
        "To": (False, "="),
        "To + Pending In": (False, "="),
        "From": (False, "="),
        "From + Pending Out": (True, "Both"),
        "Both": (False, "="),
    },
    "unsubscribed": {
        "None": (False, "="),
        "None + Pending Out": (True, "None"),
        "None + Pending In": (False, "="),
        "None + Pending Out+In": (True, "None + Pending In"),
        "To": (True, "None"),
        "To + Pending In": (True, "None + Pending In"),
        "From": (False, "="),
        "From + Pending Out": (True, "From"),
        "Both": (True, "From"),
    },
}


def rows(tables: dict[str, dict[str, tuple[bool, str]]]) -> list[tuple[str, str, bool, str]]:
    return [(type, before, *row) for type, table in tables.items() for before, row in table.items()]


@pytest.mark.parametrize(("type", "before", "is_routed", "after"), rows(SENT))
def test_a_stanza_of_the_account_follows_appendix_a_2(type: str, before: str, is_routed: bool, after: str) -> None:
    change = sent(STATES[before], type)
    pre_approval = type == "subscribed" and not is_routed and not STATES[before].from_
    expected = STATES[before if after == "=" else after]._replace(approved=pre_approval)
    assert (change.is_passed_on, change.state) == (is_routed, expected)
    assert not change.is_approved


@pytest.mark.parametrize(("type", "before", "is_delivered", "after"), rows(RECEIVED))
def test_a_stanza_of_the_contact_follows_appendix_a_3(type: str, before: str, is_delivered: bool, after: str) -> None:
    change = received(STATES[before], type)
    assert (change.is_passed_on, change.state) == (is_delivered, STATES[before if after == "=" else after])
    assert change.is_approved == (type == "subscribe" and STATES[before].from_)


def test_all_nine_states_are_in_every_table() -> None:
    assert all(table.keys() == STATES.keys() for tables in (SENT, RECEIVED) for table in tables.values())


@pytest.mark.parametrize("before", [State(), State(to=True), State(pending_out=True)])
def test_a_request_that_was_approved_before_is_answered_and_not_shown(before: State) -> None:
    approved = sent(before, "subscribed").state
    assert approved == before._replace(approved=True)
    assert received(approved, "subscribe") == Change(approved._replace(from_=True), False, is_approved=True)


def test_approving_what_is_asked_is_no_approval_for_the_future() -> None:
    assert not sent(State(pending_in=True), "subscribed").state.approved


def test_unsubscribed_takes_an_approval_back_and_is_not_routed() -> None:
    assert sent(State(approved=True), "unsubscribed") == Change(State(), is_passed_on=False)


def test_the_contact_cannot_take_an_approval_back() -> None:
    for type in ("unsubscribe", "unsubscribed"):
        assert received(State(to=True, approved=True), type).state.approved
