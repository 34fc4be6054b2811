"""The connection manager of one stream (XEP-0124): its requests in order, what they are answered, how long they wait.

To the stream it is a transport like any other: `read` gives what came in order, and `try_send` takes bytes for as long
as a request waits for an answer. A request is answered only once it has been handled, so a client cannot send faster
than it is read. What a request was answered is kept, and said again if that gets lost on the way.
"""

import errno
from collections import OrderedDict, deque
from collections.abc import Mapping
from typing import Any, Protocol

import gevent
from gevent.event import Event

from web.bosh.answers import EMPTY, LOST, announced, terminated, written
from web.bosh.requests import Agreed, Asked, Refused, Waiter
from xmpp.data.errors import StreamError
from xmpp.stream.pace import Pace
from xmpp.stream.tls.tls import ServerTLS
from xmpp.stream.xml.bodyfeed import Body

ANSWER_BYTES = 65536  # an answer is longer only if a single stanza is
REQUESTS = 2  # at once: one that is held, and one that says something
REMEMBERED = REQUESTS + 1  # answers, since one more request may pause (section 11)
SEPARATOR = b"\0"  # between elements on their way here: XML cannot contain it, so answers are made of whole ones
END = b"\1"  # after the last element


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
        self._next = first_rid
        self._early: dict[int, Asked] = {}  # those before which another one is missing
        self._held: deque[Asked] = deque()  # in order, not answered yet
        self._unread: deque[Asked] = deque()  # of these, the ones that the stream has not read
        self._reading: Asked | None = None
        self._answers: OrderedDict[int, bytes] = OrderedDict()
        self._attributes = dict(greeting)  # of the next answer
        self._last_came = float("-inf")
        self._was_idle = False  # the last request was empty, and so was its answer
        self._inactivity = agreed.inactivity
        self._timer: Any = None
        self._settling: Any = None
        self._readable, self._writable = Event(), Event()
        self._is_over = self._is_closed = False

    # -- for HTTP

    def answer(self, rid: int, body: Body) -> bytes:
        """Take a request; returns its answer, at once or when there is one. Yields. Raises Refused."""
        known = self._answers.get(rid)
        if known is not None:
            self._stop_timer()
            self._watch()
            return known
        if self._is_over or self._is_closed:
            raise self._refused("item-not-found")
        waiter = Waiter()
        asked = self._unanswered(rid)
        if asked is not None:  # the same again: the connection that it came on before may be broken (section 14.3)
            asked.waiter.tell(LOST)
            asked.waiter = waiter
        else:
            asked = self._take(Asked(rid, body, waiter), body)
        self._settle_soon()
        if not waiter.is_answered.wait(self.agreed.wait or self.agreed.polling):
            self._wait_is_over(asked, waiter)
            waiter.is_answered.wait()
        return waiter.answer

    @property
    def has_requests(self) -> bool:
        """True if a request waits for an answer."""
        return bool(self._held or self._early)

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
        self._release_all(terminated("other-request"))
        if self.stream is not None:
            if condition == "item-not-found":
                self.stream.drop(ConnectionError("a request with another number than expected"))
            else:
                self.stream.close(StreamError("policy-violation", condition))
        return refused

    def _refused(self, condition: str) -> Refused:
        return Refused(condition, is_legacy=self.agreed.version is None)

    def _unanswered(self, rid: int) -> Asked | None:
        return self._early.get(rid) or next((each for each in self._held if each.rid == rid), None)

    def _take(self, asked: Asked, body: Body) -> Asked:
        """Take a request that is new, and those that have waited for it. Raises Refused."""
        ahead = REQUESTS + (asked.pauses or asked.ends)
        if not self._next <= asked.rid < self._next + ahead:
            raise self.fail("item-not-found")
        self._check_activity(asked)
        self._inactivity = self._pause(asked, body)
        self._last_came = asked.came
        self._stop_timer()
        self._early[asked.rid] = asked
        while (following := self._early.pop(self._next, None)) is not None:
            self._next += 1
            self._held.append(following)
            if not following.is_handled:
                self._unread.append(following)
                self._readable.set()
        return asked

    def _check_activity(self, asked: Asked) -> None:
        """Raise Refused if the client asks too much at once, or too often (sections 11 and 12)."""
        if asked.pauses or asked.ends:
            return
        waiting = len(self._held) + len(self._early)
        is_soon = asked.came - self._last_came < self.agreed.polling
        is_last = asked.rid > max(self._early, default=0)  # one that was overtaken is none too many
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
        if self._early.get(asked.rid) is asked:  # the client is to send again what came before (section 17.3)
            if asked.waiter is waiter:
                del self._early[asked.rid]
                waiter.tell(LOST)
                self._watch()
        else:
            asked.is_overdue = True
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
        while self._held and self._held[0].is_handled and self._need_not_wait(self._held[0]):
            self._tell(b"")
        self._watch()

    def _need_not_wait(self, asked: Asked) -> bool:
        if asked.is_overdue or any(each.pauses for each in self._held):
            return True
        # What is still being handled may have an answer, which need not wait for the next request then.
        return len(self._held) > self.agreed.hold and all(each.is_handled for each in self._held)

    @property
    def _can_answer(self) -> bool:
        """True if there is a request whose answer may say something (not one that pauses, section 10)."""
        return bool(self._held) and self._held[0].is_handled and not self._held[0].pauses

    def _tell(self, content: bytes) -> None:
        """Answer the oldest request."""
        attributes, self._attributes = self._attributes, {}
        answer = EMPTY if not (content or attributes) else written(content, attributes)
        self._was_idle = self._held[0].is_empty and not content
        self._remember(self._held.popleft(), answer)

    def _remember(self, asked: Asked, answer: bytes) -> None:
        self._answers[asked.rid] = answer
        while len(self._answers) > REMEMBERED:
            self._answers.popitem(last=False)
        asked.waiter.tell(answer)

    def _end(self, content: bytes) -> None:
        """Answer all requests; the oldest says how the stream has ended."""
        condition, error = self.ending
        self._is_over = True
        self._stop_timer()
        self._remember(self._held.popleft(), terminated(condition, content + error))
        self._release_all(EMPTY)

    def _release_all(self, answer: bytes) -> None:
        for asked in (*self._held, *self._early.values()):
            asked.waiter.tell(answer)
        self._held.clear()
        self._early.clear()

    # -- how long there may be no request

    def _watch(self) -> None:
        """Begin to count the time without a request, if that has not begun yet."""
        if self._timer is None and not (self.has_requests or self._is_over or self._is_closed):
            self._timer = gevent.get_hub().loop.timer(self._inactivity)
            self._timer.start(self._is_inactive)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.close()
            self._timer = None

    def _is_inactive(self) -> None:
        self._stop_timer()
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
        taken = _whole_elements(data)
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

    def start_tls(self, tls: ServerTLS, pace: Pace) -> None:
        """There is none in the stream (XEP-0206 section 4)."""
        raise OSError("no TLS within BOSH")

    def shutdown_write(self) -> None:
        """Nothing more will be sent. The last answers can be asked for again, until this is closed."""
        if not self._is_over:
            self.close()

    def close(self) -> None:
        """Give up what waits, and answer all requests."""
        self._is_closed = True
        self._stop_timer()
        self._release_all(terminated("remote-connection-failed"))
        self._unread.clear()
        self._readable.set()
        self._writable.set()


def _whole_elements(data: bytes) -> int:
    """How much of this one answer takes."""
    end = data.rfind(SEPARATOR, 0, ANSWER_BYTES) + 1 or data.find(SEPARATOR) + 1
    return end or len(data)
