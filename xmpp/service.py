"""A server as a process: listening, what it answers signals with, and its end."""

import logging
import signal
from collections.abc import Callable

import gevent
from gevent.event import Event

from xmpp.config import ConfigError, Configuration
from xmpp.control import ControlSocket
from xmpp.server import Server
from xmpp.stream.certificates import CertificateError

log = logging.getLogger(__name__)


def serve(
    server: Server,
    control: ControlSocket,
    configured: Callable[[], Configuration],
    announce: Callable[[list[str]], None],
) -> None:
    """Run the server until SIGTERM or SIGINT; SIGHUP takes over what `configured` reads anew.

    `announce` is called with what it listens on. Raises ListenError and ControlError.
    """
    told_to_stop = Event()
    gevent.signal_handler(signal.SIGTERM, told_to_stop.set)
    gevent.signal_handler(signal.SIGINT, told_to_stop.set)
    gevent.signal_handler(signal.SIGHUP, _reload, server, configured)
    try:
        control.start()
        announce(list(server.start()))
        told_to_stop.wait()
        log.info("stopping")
    finally:
        control.stop()
        server.stop()


def _reload(server: Server, configured: Callable[[], Configuration]) -> None:
    """Nobody is disconnected; where something is wrong with the new configuration, the old one stays."""
    try:
        new = configured()
        late = server.configuration.changes_needing_restart(new)
        server.reload(new)
    except (ConfigError, CertificateError) as error:
        log.error("not reloaded, everything stays as it was: %s", error)
        return
    for change in late:
        log.warning("%s has changed, which takes a restart", change)
    log.info("configuration and certificates reloaded")
