"""A server as a process: it starts, reacts to signals, and stops."""

import gc
import logging
import os
import signal
from collections.abc import Callable

import gevent
from gevent.event import Event

import assembly
from xmpp import __version__
from xmpp.config.configuration import ConfigError, Configuration
from xmpp.control import ControlSocket
from xmpp.server import Server
from xmpp.stream.tls.certificates import CertificateError

log = logging.getLogger(__name__)


def serve(
    server: Server,
    control: ControlSocket,
    configured: Callable[[], Configuration],
    announce: Callable[[list[str]], None],
    *,
    ends_at_hangup: Callable[[], bool],
) -> None:
    """Run the server until SIGTERM or SIGINT. At SIGHUP it is reloaded with the configuration that `configured` reads,
    or, if `ends_at_hangup` says so, stopped.

    `announce` is called with the addresses that it listens on. Raises ListenError and ControlError.
    """
    told_to_stop = Event()

    def hang_up() -> None:
        if ends_at_hangup():
            told_to_stop.set()
        else:
            _reload(server, configured)

    gevent.signal_handler(signal.SIGTERM, told_to_stop.set)
    gevent.signal_handler(signal.SIGINT, told_to_stop.set)
    gevent.signal_handler(signal.SIGHUP, hang_up)
    try:
        control.start()
        listening = list(server.start())
        _leave_alone_what_stays()
        log.info("xserv %s serves %s on %s", __version__, ", ".join(server.domains), ", ".join(listening))
        announce(listening)
        told_to_stop.wait()
        log.info("stopping")
    finally:
        control.stop()
        server.stop()


def _leave_alone_what_stays() -> None:
    """Have the garbage collector pass over all that has been made until now: modules, features, settings, statements.

    It looks at everything from time to time, in one go. Of these tens of thousands of objects none ever becomes
    garbage, and to look at them keeps the loop for tens of milliseconds.
    """
    gc.collect()
    gc.freeze()


def loss_of_terminal() -> Callable[[], bool]:
    """A function that is true once a terminal that this process has now is gone: SIGHUP is sent for that, too.

    A service has no terminal, and neither has a process that nohup started.
    """
    terminals = [descriptor for descriptor in (0, 1, 2) if os.isatty(descriptor)]
    return lambda: not all(map(os.isatty, terminals))


def _reload(server: Server, configured: Callable[[], Configuration]) -> None:
    """Reload configuration and certificates; nobody is disconnected. If the new ones are wrong, the old ones stay."""
    try:
        new = configured()
        late = server.configuration.changes_needing_restart(new)
        server.reload(new)
    except (ConfigError, CertificateError) as error:
        log.error("not reloaded, everything stays as it was: %s", error)
        return
    assembly.warn_of_certificates(server)
    for change in late:
        log.warning("%s has changed, which takes a restart", change)
    log.info("configuration and certificates reloaded")
