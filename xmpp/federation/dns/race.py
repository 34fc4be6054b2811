"""Connecting to the targets of one priority (RFC 8305, "Happy Eyeballs"): all their addresses, one after the other,
families by turns, and none waits until the one before has failed."""

import errno
import logging
from collections.abc import Iterable, Sequence
from time import monotonic
from typing import NamedTuple

import gevent
from gevent import socket
from gevent.queue import Empty, SimpleQueue

from xmpp.data.networks import Networks
from xmpp.federation.dns.failures import LookupFailed, NoSuchServer, Unreachable
from xmpp.federation.dns.names import is_address, is_public
from xmpp.federation.dns.resolver import Asked, Resolver
from xmpp.federation.dns.targets import Target

log = logging.getLogger(__name__)

MOST_ADDRESSES = 20  # that are dialled of a domain
APART_SECONDS = 0.25  # "Connection Attempt Delay"
RESOLUTION_DELAY = 0.05  # how long the first addresses wait for those of the other family
CONNECT_SECONDS = 10.0
MOST_CONNECTING, MOST_ASKED = 8, 4  # at once

IPV6, IPV4 = "AAAA", "A"
NO_WAY = (errno.ENETUNREACH, errno.EHOSTUNREACH)


class EndPoint(NamedTuple):
    """An address to connect to. `place`: of its target among the targets."""

    place: int
    type: str
    address: str
    port: int
    is_direct: bool

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


class Connected(NamedTuple):
    """A connection, and to where."""

    sock: socket.socket
    end_point: EndPoint


class Tried:
    """What has been tried for one domain, over all its targets, and why it came to nothing."""

    def __init__(self, private: Networks) -> None:
        self._private = private
        self._end_points = set[tuple[str, int, bool]]()
        self._has_refused = False
        self._failure: LookupFailed | OSError | None = None

    def admits(self, end_point: EndPoint, target: Target) -> bool:
        """True if it is to be dialled: it is new, there are not too many, and it is public, or set."""
        key = end_point.address, end_point.port, end_point.is_direct
        if key in self._end_points or len(self._end_points) >= MOST_ADDRESSES:
            return False
        if not target.is_set and not is_public(end_point.address, self._private):
            log.debug("%s is not dialled: %s is not public", target.host, end_point.address)
            self._has_refused = True
            return False
        self._end_points.add(key)
        return True

    def failed(self, failure: LookupFailed | OSError) -> None:
        """Remember why, if that tells more than what has failed before."""
        if self._failure is None or _telling(failure) >= _telling(self._failure):
            self._failure = failure

    def reason(self) -> NoSuchServer | Unreachable:
        """Why there is no connection."""
        if isinstance(self._failure, LookupFailed):
            return Unreachable(f"its server's name could not be looked up: {self._failure}")
        if self._failure is not None:
            return Unreachable(_in_words(self._failure))
        return NoSuchServer("its server has no public address" if self._has_refused else "its name has no address")


def _telling(failure: LookupFailed | OSError) -> int:
    """How much that tells of the other server: many machines have no way to IPv6 addresses at all."""
    if isinstance(failure, LookupFailed):
        return 0
    return 1 if failure.errno in NO_WAY else 2


def _in_words(error: OSError) -> str:
    if error.errno == errno.ECONNREFUSED:
        return "its server refuses connections"
    if error.errno in NO_WAY:
        return "there is no way to its server"
    if isinstance(error, TimeoutError):
        return "its server does not answer"
    return f"no connection to its server: {error.strerror or error}"


class _Outcome(NamedTuple):
    """What has become of an attempt to connect."""

    end_point: EndPoint
    sock: socket.socket | None
    error: OSError | None = None


class _Leg:
    """What goes on until there is a connection. What comes after that is not wanted any more."""

    def __init__(self) -> None:
        self.is_over = False
        self.events = SimpleQueue[Asked | _Outcome]()
        self.asked = dict[Asked, tuple[int, str]]()
        self.connecting = dict[EndPoint, "gevent.Greenlet[..., None]"]()

    def put(self, event: Asked | _Outcome) -> None:
        if not self.is_over:
            self.events.put(event)
        elif isinstance(event, _Outcome) and event.sock is not None:
            event.sock.close()

    def connect(self, end_point: EndPoint) -> None:
        family = socket.AF_INET6 if end_point.type == IPV6 else socket.AF_INET
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            self.put(_Outcome(end_point, None, error))
            return
        try:
            sock.settimeout(CONNECT_SECONDS)
            sock.connect((end_point.address, end_point.port))
        except OSError as error:
            sock.close()
            self.put(_Outcome(end_point, None, error))
        except BaseException:
            sock.close()
            raise
        else:
            sock.settimeout(None)
            self.put(_Outcome(end_point, sock))


class Race:
    """The targets of one priority. Each call of `connect` goes on behind what the ones before have tried."""

    def __init__(self, targets: Sequence[Target], resolver: Resolver, tried: Tried) -> None:
        self._targets, self._resolver, self._tried = targets, resolver, tried
        self._to_ask = list[tuple[int, str]]()
        self._waiting = list[EndPoint]()
        self._has_begun = False
        self._next_at: float | None = None  # when the next one is dialled; None while no address is known
        self._type_before = ""
        for place, target in enumerate(targets):
            if is_address(target.host):
                self._found(place, IPV6 if ":" in target.host else IPV4, [target.host])
            else:
                self._to_ask += [(place, IPV6), (place, IPV4)]

    def connect(self) -> Connected | None:
        """The next connection; None if nothing is left to be tried. Yields, and may be interrupted there."""
        leg = _Leg()
        try:
            while self._goes_on(leg):
                try:
                    event = leg.events.get(timeout=self._seconds_to_next(leg))
                except Empty:
                    continue
                if isinstance(event, Asked):
                    self._answered(*leg.asked.pop(event), event)
                    continue
                del leg.connecting[event.end_point]
                if event.sock is not None:
                    return Connected(event.sock, event.end_point)
                self._not_connected(event)
        finally:
            self._stop(leg)
        return None

    def _goes_on(self, leg: _Leg) -> bool:
        """Begin what can be begun now; False if there is nothing left."""
        while self._to_ask and len(leg.asked) < MOST_ASKED:
            place, type = self._to_ask.pop(0)
            asked = self._resolver.ask(self._targets[place].host, type)
            leg.asked[asked] = place, type
            asked.when_known(leg.put)
        self._set_off(leg)
        if self._seconds_to_next(leg) == 0:
            self._has_begun = True
            self._next_at = monotonic() + APART_SECONDS
            end_point = next_of(self._waiting, self._type_before)
            self._waiting.remove(end_point)
            self._type_before = end_point.type
            leg.connecting[end_point] = gevent.spawn(leg.connect, end_point)
        return bool(self._to_ask or leg.asked or leg.connecting or self._waiting)

    def _set_off(self, leg: _Leg) -> None:
        """Dial the first one as soon as both families of its target are known, or a moment after the first of them."""
        if self._has_begun or not self._waiting:
            return
        if self._waiting[0].place not in (place for place, _ in leg.asked.values()):
            self._next_at = 0.0
        elif self._next_at is None:
            self._next_at = monotonic() + RESOLUTION_DELAY

    def _seconds_to_next(self, leg: _Leg) -> float | None:
        """Until the next address is dialled: 0 if that is due, None if none can be."""
        if not self._waiting or self._next_at is None or len(leg.connecting) >= MOST_CONNECTING:
            return None
        return max(0.0, self._next_at - monotonic())

    def _answered(self, place: int, type: str, asked: Asked) -> None:
        try:
            self._found(place, type, [str(each) for each in asked.get().records])
        except LookupFailed as failure:
            self._tried.failed(failure)

    def _found(self, place: int, type: str, addresses: Sequence[str]) -> None:
        target = self._targets[place]
        found = [EndPoint(place, type, address, target.port, target.is_direct) for address in addresses]
        self._line_up([*self._waiting, *(each for each in found if self._tried.admits(each, target))])

    def _line_up(self, end_points: Iterable[EndPoint]) -> None:
        self._waiting = sorted(end_points, key=lambda each: (each.place, each.type == IPV4))

    def _not_connected(self, outcome: _Outcome) -> None:
        log.debug("%s: no connection: %s", outcome.end_point, outcome.error)
        if outcome.error is not None:
            self._tried.failed(outcome.error)
        self._next_at = 0.0

    def _stop(self, leg: _Leg) -> None:
        """What was under way goes back in line."""
        leg.is_over = True
        for connecting in leg.connecting.values():
            connecting.kill(block=False)
        while not leg.events.empty():
            event = leg.events.get()
            if isinstance(event, _Outcome) and event.sock is not None:
                event.sock.close()
            elif isinstance(event, _Outcome):
                del leg.connecting[event.end_point]
                self._not_connected(event)
        self._to_ask = [*leg.asked.values(), *self._to_ask]
        self._line_up([*leg.connecting, *self._waiting])
        self._next_at = 0.0 if self._has_begun else None


def next_of(waiting: Sequence[EndPoint], type_before: str) -> EndPoint:
    """The first one of the other family, or the first one; families take turns (RFC 8305 section 4)."""
    return next((each for each in waiting if each.type != type_before), waiting[0])
