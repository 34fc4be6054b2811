"""Who asks, and whether nobody can listen: by the connection, and by what trusted proxies say of it."""

import logging
from ipaddress import ip_address

from web.http.forwarded import Client, client_of
from web.http.messages import Headers, HTTPError
from xmpp.stream.listener import ClientListener
from xmpp.stream.sides import Arrival

log = logging.getLogger(__name__)


class Clients:
    """What is said about the clients of one server. What is set up wrongly is logged, once."""

    def __init__(self, listener: ClientListener) -> None:
        self._listener = listener
        self._told: set[str] = set()

    def behind(self, arrival: Arrival, headers: Headers) -> Client:
        """Who has sent a request with these headers on this connection; `is_secure` is not None.

        Raises HTTPError if proxies contradict themselves, or leave open whether the client can be overheard.
        """
        trusted = self._listener.trusted_proxies
        is_trusted = arrival.peer in trusted
        client = client_of(arrival.peer, headers, trusted)
        if client.is_forwarded and not is_trusted and ip_address(arrival.peer).is_private:
            self._tell_once("%s passes on requests for others, but is not in trusted_proxies of [listen]: to limits on "
                            "addresses all of them come from there (docs/proxies.md)", arrival.peer)  # fmt: skip
        if client.is_secure is not None:
            return client
        if client.is_forwarded and is_trusted:
            self._tell_once("the proxy at %s passes on requests without X-Forwarded-Proto, so none is answered "
                            "(docs/proxies.md)", arrival.peer)  # fmt: skip
            raise HTTPError(403, "The proxy has to tell by X-Forwarded-Proto whether this has come over TLS.")
        return client._replace(is_secure=arrival.has_tls or ip_address(client.address).is_loopback)

    def _tell_once(self, warning: str, peer: str) -> None:
        if warning not in self._told:
            self._told.add(warning)
            log.warning(warning, peer)
