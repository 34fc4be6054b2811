"""Keys of dialback that somebody has shown us: the server that DNS names for the domain is asked for each (XEP-0220).

So many are asked about at a time; servers often show many at once, and those that are too many wait for a while.
"""

from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING

import gevent

from xmpp.data.errors import StanzaError
from xmpp.federation.dialback import Pair
from xmpp.federation.dns.failures import NoSuchServer, Unreachable
from xmpp.federation.dns.places import Places
from xmpp.federation.failures import not_found, timeout
from xmpp.federation.outgoing import VerifyingStream

if TYPE_CHECKING:
    from xmpp.federation.federation import Federation

MOST_AT_ONCE = 100
MOST_OF_NETWORK = 20  # of them, of keys that servers of one network have shown, whatever the domains
MOST_WAITING, MOST_WAITING_OF_NETWORK = 2_000, 200
WAIT_SECONDS = 30.0


class Verifying:
    """The keys that are being verified, and those that wait for that. A server has one."""

    def __init__(self, federation: "Federation") -> None:
        self._federation = federation
        self._places = Places(MOST_AT_ONCE, MOST_OF_NETWORK, MOST_WAITING, MOST_WAITING_OF_NETWORK)

    @property
    def waiting(self) -> int:
        """How many keys wait for their turn."""
        return self._places.waiting

    def verify(self, pair: Pair, stream_id: str, key: str, network: str, is_wanted: Callable[[], bool]) -> bool:
        """Ask the server of their domain whether it has made this key, which somebody of that network has shown; if it
        is still wanted when its turn has come. Yields. Raises StanzaError."""
        too_many = Unreachable("too many keys are being verified")
        waiting = gevent.Timeout.start_new(WAIT_SECONDS, too_many)
        try:
            with self._places.place(network):
                waiting.close()
                if not is_wanted():
                    return False
                with self._federation.allowances.verifying(pair.theirs):
                    return self._verify(pair, stream_id, key, network)
        except Unreachable:
            raise StanzaError("resource-constraint", str(too_many)) from None
        finally:
            waiting.close()

    def _verify(self, pair: Pair, stream_id: str, key: str, network: str) -> bool:
        failure: StanzaError | None = None
        ends = self._federation.no_more_addresses_after()
        try:
            for dialled in self._federation.dialer.dial(pair.theirs, network):
                stream = VerifyingStream(self._federation, pair, dialled, stream_id, key)
                self._federation.settle(stream)
                if stream.is_valid is not None:
                    return stream.is_valid
                failure = stream.reason
                if stream.is_final or monotonic() > ends:
                    break
        except NoSuchServer as error:
            raise not_found(str(error)) from None
        except Unreachable as error:
            failure = failure or timeout(str(error))
        raise failure or timeout("the authoritative server could not be reached")
