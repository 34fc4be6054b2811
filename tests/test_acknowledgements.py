"""The counters of XEP-0198 as tables: what is acknowledged, what may be, and what happens at 2^32."""

import pytest

from handlers.sessions.acknowledgements import COUNTS, CountTooHigh, Received, Sent
from xmpp.running.tickets import Ticket

LAST = COUNTS - 1


def sent(acknowledged: int, waiting: int) -> Sent:
    """As many were acknowledged, and as many wait: "1", "2" and so on."""
    sent = Sent(acknowledged)
    for number in range(1, waiting + 1):
        sent.add(str(number).encode(), at=float(number))
    return sent


def remaining(sent: Sent) -> str:
    return "".join(bytes(each.stanza).decode() for each in sent)


# -- what the server sends


@pytest.mark.parametrize(
    ("acknowledged", "waiting", "h", "left"),
    [
        (0, 0, 0, ""),
        (0, 3, 0, "123"),
        (0, 3, 1, "23"),
        (0, 3, 3, ""),
        (5, 3, 5, "123"),
        (5, 3, 7, "3"),
        (5, 3, 4, "123"),  # passed before: says nothing new
        (5, 3, 0, "123"),
        (LAST - 1, 3, LAST, "23"),
        (LAST, 3, 0, "23"),
        (LAST, 3, 2, ""),
        (LAST, 3, LAST - 7, "123"),
        (COUNTS, 3, 0, "123"),
        (COUNTS, 3, 1, "23"),
        (COUNTS + 1, 3, LAST, "123"),
        (5 * COUNTS + 1, 3, 3, "3"),
    ],
)
def test_an_acknowledgement_takes_away_what_has_arrived(acknowledged: int, waiting: int, h: int, left: str) -> None:
    queue = sent(acknowledged, waiting)
    queue.acknowledge(h)
    assert remaining(queue) == left
    assert len(queue) == queue.size == len(left)


@pytest.mark.parametrize(
    ("acknowledged", "waiting", "h", "count"),
    [
        (0, 0, 1, 0),
        (0, 3, 4, 3),
        (0, 3, LAST, 3),  # not "one less than none"
        (5, 3, 9, 8),
        (5, 3, LAST, 8),
        (5, 0, COUNTS // 2 + 6, 5),
        (LAST, 3, 3, 2),
        (COUNTS, 0, 1, 0),
        (COUNTS + 5, 0, COUNTS // 2 + 4, 5),  # further behind than half of all counts is ahead
    ],
)
def test_more_than_was_sent_cannot_be_acknowledged(acknowledged: int, waiting: int, h: int, count: int) -> None:
    queue = sent(acknowledged, waiting)
    with pytest.raises(CountTooHigh, match=f"You acknowledged {h} .* only sent you {count} so far") as error:
        queue.acknowledge(h)
    assert (error.value.h, error.value.sent) == (h, count)
    assert len(queue) == waiting


@pytest.mark.parametrize(
    ("acknowledged", "h", "is_passed"),
    [
        (0, 0, False),
        (5, 5, False),
        (5, 4, True),
        (5, 6, False),
        (COUNTS, LAST, True),
        (COUNTS, 0, False),
        (1, LAST, False),
    ],
)
def test_what_a_client_does_not_remember_to_have_got_is_known(acknowledged: int, h: int, is_passed: bool) -> None:
    assert sent(acknowledged, 2).has_passed(h) is is_passed


@pytest.mark.parametrize(
    ("acknowledged", "waiting", "count"), [(0, 0, 0), (2, 3, 5), (LAST, 0, LAST), (LAST, 1, 0), (LAST, 4, 3)]
)
def test_the_count_of_what_was_sent_wraps(acknowledged: int, waiting: int, count: int) -> None:
    assert sent(acknowledged, waiting).count == count


def test_what_waits_remembers_when_it_was_sent_and_to_whom() -> None:
    queue = Sent()
    queue.add(b"one", at=1.5)
    queue.add(b"other", at=2.5, devices=[3, 4])
    queue.note_kept({id(each.stanza) for each in queue if each.devices})
    taken = queue.take_all()
    assert [each.stanza for each in taken] == [b"one", b"other"]
    assert [(each.at, each.devices, each.is_kept) for each in taken] == [(1.5, (), False), (2.5, [3, 4], True)]
    assert (len(queue), queue.size) == (0, 0)


def test_what_could_not_be_stored_no_longer_waits() -> None:
    queue, stored, lost, still_open = Sent(), Ticket(), Ticket(), Ticket()
    for stanza, ticket in ((b"1", None), (b"22", stored), (b"333", lost), (b"4444", still_open)):
        queue.add(stanza, 0, ticket=ticket)
    stored.close()
    lost.close(OSError("the disk is full"))
    queue.forget_lost()
    assert [each.stanza for each in queue] == [b"1", b"22", b"4444"]
    assert (queue.count, queue.size) == (3, 7)


# -- what the client sends


@pytest.mark.parametrize(
    ("before", "more", "h"), [(0, 0, 0), (0, 3, 3), (LAST - 1, 1, LAST), (LAST, 1, 0), (LAST, 3, 2)]
)
def test_what_stores_nothing_counts_at_once_and_wraps(before: int, more: int, h: int) -> None:
    received = Received(before)
    assert [received.add(None) for _ in range(more)] == [False] * more
    assert (received.handled, received.durable, received.ticket) == (h, h, None)


def test_only_the_prefix_before_an_open_ticket_is_durable() -> None:
    received, first, second = Received(), Ticket(), Ticket()
    is_new = [received.add(ticket) for ticket in (None, first, None, first, second, second, None)]
    assert is_new == [False, True, False, False, True, False, False]
    assert (received.handled, received.durable, received.ticket) == (7, 1, second)
    first.close()
    assert (received.handled, received.durable, received.ticket) == (7, 4, second)
    second.close()
    assert (received.handled, received.durable, received.ticket) == (7, 7, None)


def test_tickets_that_close_out_of_order_count_in_order() -> None:
    received, first, second = Received(), Ticket(), Ticket()
    received.add(first)
    received.add(second)
    second.close()
    assert received.durable == 0
    first.close()
    assert received.durable == 2


def test_a_ticket_that_is_closed_already_holds_nothing_back() -> None:
    received, ticket = Received(), Ticket()
    ticket.close()
    assert not received.add(ticket)
    assert received.durable == 1


def test_a_ticket_that_has_failed_already_counts_as_one_that_fails_later() -> None:
    received, lost = Received(), Ticket()
    lost.close(OSError("the disk is full"))
    assert received.add(lost)
    assert not received.add(None)
    assert (received.handled, received.durable, received.ticket) == (2, 0, lost)


def test_nothing_after_a_ticket_that_failed_is_ever_durable() -> None:
    received, lost, later = Received(), Ticket(), Ticket()
    for ticket in (None, lost, later, None):
        received.add(ticket)
    lost.close(OSError("the disk is full"))
    later.close()
    assert (received.handled, received.durable) == (4, 1)


def test_the_durable_prefix_wraps_too() -> None:
    received, ticket = Received(LAST), Ticket()
    for each in (None, ticket, None):
        received.add(each)
    assert (received.handled, received.durable) == (2, 0)
