"""The connection manager of one stream (XEP-0124): its requests in order, what they are answered, how long they wait.

To the stream it is a transport like any other: `read` gives what came in order, and `try_send` takes bytes for as long
as a request waits for an answer. A request is answered only once it has been handled, so a client cannot send faster
than it is read.
"""

import errno
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Protocol

import gevent
from gevent.event import Event

from web.bosh.answers import EMPTY, END, LOST, SEPARATOR, announced, terminated, whole_elements, written
from web.bosh.inactivity import Inactivity
from web.bosh.requests import Agreed, Asked, Refused, Waiter
from web.bosh.window import REQUESTS, Window
from xmpp.data.errors import StreamError
from xmpp.stream.pace import Pace
from xmpp.stream.tls.tls import ServerTLS
from xmpp.stream.xml.bodyfeed import Body

Watched = Callable[[Callable[[], None]], AbstractContextManager[Any]]  # as `Request.watched`


class Stream(Protocol):
    """What is carried."""

    def drop(self, reason: Exception) -> None: ...
    def close(self, error: StreamError | None = None) -> None: ...


class ConnectionManager:
    """What is known of one session of BOSH. `greeting`: the attributes of its first answer."""

    tls = None  # no channel can be bound to: each request may come on a connection of its own

    def __init__(self, agreed: Agreed, first_rid: int, greeting: Mapping[str, str]) -> None:
        self.agreed = agreed
        self.stream: Stream | None = None
        self.is_trusted = False
        self.ending: tuple[str | None, bytes] = (None, b"")  # the condition, and what stands beside it
        self.window = Window(first_rid)
        self.inactivity = Inactivity(agreed.inactivity, self._is_inactive)
        self._unread: deque[Asked] = deque()  # the requests in order that the stream has not read
        self._reading: Asked | None = None
        self._attributes = dict(greeting)  # of the next answer
        self._last_came = float("-inf")
        self._was_idle = False  # the last request was empty, and so was its answer
        self._settling: Any = None
        self._readable, self._writable = Event(), Event()
        self._is_over = self._is_closed = False

    # -- for HTTP

    def answer(self, rid: int, body: Body, watched: Watched) -> bytes:
        """Take a request; returns its answer, at once or when there is one. Yields. Raises Refused.

        `watched` tells when nobody waits for that any more: then silence begins, and what is to be said goes with the
        next request.
        """
        known = self.window.answer_to(rid)
        if known is not None:
            self.inactivity.stop()
            self._watch()
            return known
        if self._is_over or self._is_closed:
            raise self._refused("item-not-found")
        waiter = Waiter()
        asked = self.window.unanswered(rid)
        if asked is not None:  # the same again: the connection that it came on before may be broken (section 14.3)
            asked.waiter.tell(LOST)
            asked.waiter = waiter
        else:
            asked = self._take(Asked(rid, body, waiter), body)
        self._settle_soon()
        with watched(partial(self._is_gone, asked, waiter)):
            if not waiter.is_answered.wait(self.agreed.wait or self.agreed.polling):
                self._wait_is_over(asked, waiter)
                waiter.is_answered.wait()
        return waiter.answer

    @property
    def has_requests(self) -> bool:
        """True if a request waits for an answer."""
        return bool(self.window)

    def fail(self, condition: str) -> Refused:
        """End the session because of a request; returns what that is answered.

        After a mistake in the numbers of requests, such as that of a page that was reloaded, the session of XMPP can be
        resumed. Whoever breaks other rules would do so again.
        """
        refused = self._refused(condition)
        if self._is_over or self._is_closed:
            return refused
        self._is_over = True
        self._writable.set()
        self.window.answer_all(terminated("other-request"))
        if self.stream is not None:
            if condition == "item-not-found":
                self.stream.drop(ConnectionError("a request with another number than expected"))
            else:
                self.stream.close(StreamError("policy-violation", condition))
        return refused

    def _refused(self, condition: str) -> Refused:
        return Refused(condition, is_legacy=self.agreed.version is None)

    def _take(self, asked: Asked, body: Body) -> Asked:
        """Take a request that is new, and those that have waited for it. Raises Refused."""
        if not self.window.has_room_for(asked):
            raise self.fail("item-not-found")
        self._check_activity(asked)
        self.inactivity.seconds = self._pause(asked, body)
        self._last_came = asked.came
        self.inactivity.stop()
        for each in self.window.take(asked):
            if not each.is_handled:
                self._unread.append(each)
                self._readable.set()
        return asked

    def _check_activity(self, asked: Asked) -> None:
        """Raise Refused if the client asks too much at once, or too often (sections 11 and 12)."""
        if asked.pauses or asked.ends:
            return
        waiting = len(self.window)
        is_soon = asked.came - self._last_came < self.agreed.polling
        is_last = self.window.is_last(asked)  # one that was overtaken is none too many
        is_full = self._was_idle if self.agreed.is_polling else is_last and waiting + 1 == REQUESTS
        if waiting >= REQUESTS or (asked.is_empty and is_full and is_soon):
            raise self.fail("policy-violation")

    def _pause(self, asked: Asked, body: Body) -> int:
        """For how long there may be no request after this one. Raises Refused."""
        if not asked.pauses:
            return self.agreed.inactivity
        text = body.attributes["pause"]
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise self.fail("bad-request")
        if int(text) > self.agreed.pause:
            raise self.fail("policy-violation")
        return max(1, int(text))

    def _wait_is_over(self, asked: Asked, waiter: Waiter) -> None:
        if asked.waiter is not waiter:
            return
        if self.window.give_up_early(asked):
            waiter.tell(LOST)
            self._watch()
        else:
            asked.is_overdue = True
            self._settle_soon()

    def _is_gone(self, asked: Asked, waiter: Waiter) -> None:
        """Let a request go that nobody waits for any more. One that ends the session, or pauses, does so anyway."""
        if waiter.is_answered.is_set() or asked.ends or asked.pauses:
            return
        waiter.is_gone = True
        waiter.tell(LOST)
        if asked.waiter is waiter:
            self.window.give_up_early(asked)
            self.window.answer_gone()
            self._settle_soon()

    # -- answers

    def _settle_soon(self) -> None:
        """Answer what need not wait any longer, after what was written until now has had its chance to be sent."""
        if self._can_answer:
            self._writable.set()
        if self._settling is not None:
            self._settling.stop()
        self._settling = gevent.get_hub().loop.run_callback(self._settle)

    def _settle(self) -> None:
        self._settling = None
        while (oldest := self.window.oldest) is not None and oldest.is_handled and self._need_not_wait(oldest):
            self._tell(b"")
        self._watch()

    def _need_not_wait(self, asked: Asked) -> bool:
        if asked.is_overdue or any(each.pauses for each in self.window.held):
            return True
        # What is still being handled may have an answer, which need not wait for the next request then.
        return len(self.window.held) > self.agreed.hold and all(each.is_handled for each in self.window.held)

    @property
    def _can_answer(self) -> bool:
        """True if there is a request whose answer may say something (not one that pauses, section 10)."""
        return (oldest := self.window.oldest) is not None and oldest.is_handled and not oldest.pauses

    def _tell(self, content: bytes) -> None:
        """Answer the oldest request."""
        attributes, self._attributes = self._attributes, {}
        answer = EMPTY if not (content or attributes) else written(content, attributes)
        self._was_idle = self.window.held[0].is_empty and not content
        self.window.answer_oldest(answer)

    def _end(self, content: bytes) -> None:
        """Answer all requests; the oldest says how the stream has ended."""
        condition, error = self.ending
        self._is_over = True
        self.inactivity.stop()
        self.window.answer_oldest(terminated(condition, content + error))
        self.window.answer_all(EMPTY)

    # -- how long there may be no request

    def _watch(self) -> None:
        """Begin to count the time without a request, if there is none."""
        if not (self.has_requests or self._is_over or self._is_closed):
            self.inactivity.begin()

    def _is_inactive(self) -> None:
        if self.stream is not None:
            self.stream.drop(TimeoutError("no request came in time"))

    # -- as a transport

    @property
    def reading(self) -> tuple[Asked, Body]:
        """The request that was read last."""
        assert self._reading is not None and self._reading.body is not None
        return self._reading, self._reading.body

    def opened(self, host: str, stream_id: str) -> None:
        """Say in the next answer that the stream has begun, or has begun anew."""
        self._attributes |= announced(host, stream_id)

    def read(self) -> bytes:
        """Wait for the next request that says something, and return what it says: b"" once this is closed. Yields."""
        if self._reading is not None:
            self._reading.is_done()
            self._reading = None
            self.window.answer_gone()
            self._settle_soon()
        while not self._unread and not self._is_closed:
            self._readable.clear()
            self._readable.wait()
        if self._is_closed:
            return b""
        self._reading = self._unread.popleft()
        return self.reading[1].content or b" "

    def try_send(self, data: bytes) -> int:
        """Answer a request with as many whole elements of this as one answer takes; returns how many bytes those are.

        Never yields. Raises OSError once this is closed.
        """
        if self._is_over:
            return len(data)
        if self._is_closed:
            raise OSError(errno.EPIPE, "closed here")
        if not self._can_answer:
            return 0
        taken = whole_elements(data)
        content = data[:taken].replace(SEPARATOR, b"")
        if content.endswith(END):
            self._end(content[: -len(END)])
        else:
            self._tell(content)
            self._watch()
        return taken

    def wait_writable(self) -> None:
        """Yield until there is a request to be answered. Raises OSError."""
        while not (self._can_answer or self._is_over or self._is_closed):
            self._writable.clear()
            self._writable.wait()
        if self._is_closed:
            raise OSError(errno.EPIPE, "closed here")

    def trust(self) -> None:
        """The client has a session."""
        self.is_trusted = True

    def start_tls(self, tls: ServerTLS, pace: Pace, *, asked_for: str = "") -> None:
        """There is none in the stream (XEP-0206 section 4)."""
        raise OSError("no TLS within BOSH")

    def shutdown_write(self) -> None:
        """Nothing more will be sent. The last answers can be asked for again, until this is closed."""
        if not self._is_over:
            self.close()

    def close(self) -> None:
        """Give up what waits, and answer all requests."""
        self._is_closed = True
        self.inactivity.stop()
        self.window.answer_all(terminated("remote-connection-failed"))
        self._unread.clear()
        self._readable.set()
        self._writable.set()
