"""Slow and hostile clients, in a process of their own: `python -m bench.hostile_clients NAME PORT SECONDS`.

They do what an account, or a stranger, may do, only without end. The process prints READY once they are at it, reads
and forgets what the server answers unless not to read is the point, logs in anew where the server has thrown it out,
and stops after SECONDS. The accounts are u2 and u3; the login is PLAIN, without TLS. For those of OVER_HTTPS, PORT is
one for TLS.
"""

import itertools
import os
import select
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from bench import hostile_http, xmppload
from bench import hostile_stanzas as stanzas
from bench.hostile_stanzas import HOSTILE, ITSELF, NOBODY, OTHER, RESOURCE, SOMEBODY
from tests.harness.rawclient import LoginFailed, RawClient, StreamEnded, logged_in, stream_header

READY = "ready"
PASSWORD = "password"
PRIORITY = 10  # below whoever measures on the same core: it is the server that is to be late
RECEIVE_BYTES = 1 << 20
TURN = 0.01  # seconds between the batches of what is sent at a rate
MESSAGES_PER_SECOND = 1_000
DEAF_SECONDS = 3.0
SLOW_SESSIONS = 10
GUESSERS = 10
COMING_BACK, FIRST_COMING_BACK = 4_900, 4
FIRST_SECONDS = 1.0
STRANGERS = 1_000
STRANGERS_PER_ADDRESS = 50  # fewer than a server may take from one

COME_BACK = "4,900 that come back at once, over TLS"
_salted: dict[Any, bytes] = {}  # all have the same password

Attack = Callable[[int, float], None]  # the port, and the moment to stop at by time.monotonic


def main(name: str, port: str, seconds: str) -> None:
    """Do what that one of ATTACKS says."""
    os.nice(PRIORITY)
    ATTACKS[name](int(port), time.monotonic() + float(seconds))


# -- slow ones


def idle(_: int, until: float) -> None:
    """Do nothing, for comparison."""
    _say_ready()
    time.sleep(max(0.0, until - time.monotonic()))


def read_nothing(port: int, until: float) -> None:
    """Have messages sent to a session that reads none; they are of 4 KiB, so that no kernel's buffer takes them all."""
    threading.Thread(target=_be_deaf, args=(port, until), daemon=True).start()
    to = f"{OTHER}@localhost/deaf"
    batch = stanzas.message(to, 4096) * int(MESSAGES_PER_SECOND * TURN)
    flooding(lambda: itertools.repeat(batch), turn=TURN)(port, until)


def trickle(port: int, until: float) -> None:
    """Be in the middle of a stanza, of which one byte a second comes."""
    clients = [_session(port, number) for number in range(SLOW_SESSIONS)]
    _say_ready()
    for byte in stanzas.message(SOMEBODY):
        if time.monotonic() > until:
            break
        for client in clients:
            client.send(bytes([byte]))
        time.sleep(1.0)


def never_log_in(port: int, until: float) -> None:
    """Open a stream and no more, from twenty addresses; where the server hangs up, connect again."""
    connections = [_stranger(port, number) for number in range(STRANGERS)]
    _say_ready()
    while time.monotonic() < until:
        for number, connection in enumerate(connections):
            if _is_closed(connection):
                connection.close()
                connections[number] = _stranger(port, number)
        time.sleep(0.5)


def come_back(port: int, until: float) -> None:
    """Log in, all at once and over TLS, as after a restart; and again when all are in. Those who measure are in first:
    behind thousands they would have to wait for their turn."""
    people = xmppload.names(_options(port), COMING_BACK, FIRST_COMING_BACK)
    _say_ready()
    time.sleep(FIRST_SECONDS)
    while time.monotonic() < until:
        loop = xmppload.Loop(_options(port))
        loop.login(people, len(people))
        loop.close()


def over_https(visit: hostile_http.Visit) -> Attack:
    """What a crowd does that speaks HTTP. Those who measure are in first, as for those who come back."""

    def attack(port: int, until: float) -> None:
        _say_ready()
        time.sleep(FIRST_SECONDS)
        hostile_http.crowd(port, until, visit)

    return attack


def _options(port: int) -> Any:
    words = ("connect", "--tls", "--full", "--mech", "SCRAM-SHA-1", "--stall", "60", "--sources", "100")
    options = xmppload.parser().parse_args([*words, "--port", str(port)])
    options.salted = _salted
    return options


def _be_deaf(port: int, until: float) -> None:
    while time.monotonic() < until:
        with logged_in(port, OTHER, PASSWORD, "deaf") as client:
            client.send("<presence/>")
            time.sleep(DEAF_SECONDS)  # then it has been dropped, and comes back


def _stranger(port: int, number: int) -> socket.socket:
    source = f"127.0.1.{1 + number // STRANGERS_PER_ADDRESS}"
    connection = socket.create_connection(("127.0.0.1", port), source_address=(source, 0))
    connection.setblocking(False)
    connection.send(stream_header().encode())
    return connection


def _is_closed(connection: socket.socket) -> bool:
    try:
        while connection.recv(RECEIVE_BYTES):
            pass
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


# -- fast ones


def sending(block: bytes, sessions: int = 1) -> Attack:
    """What some sessions of one account do that send the same without end."""
    return flooding(lambda: itertools.repeat(block), sessions)


def flooding(blocks: Callable[[], Iterator[bytes]], sessions: int = 1, turn: float = 0.0) -> Attack:
    """What some sessions of one account do that send all of these, `turn` seconds after one another at least."""

    def attack(port: int, until: float) -> None:
        clients = [_session(port, number) for number in range(sessions)]
        _say_ready()
        _together(sessions, lambda number: _flood(clients[number], port, until, number, blocks, turn))

    return attack


def ask_for_archive(port: int, until: float) -> None:
    """Fill an archive, then ask for it."""
    with _session(port, 0) as client:
        client.send(stanzas.chat(SOMEBODY) * 500)
        client.comes_before_pong()
    sending(stanzas.many(stanzas.archive_page()))(port, until)


def name_things(port: int, until: float) -> None:
    """Use names that the server has never seen, which ends the stream soon."""
    numbers = itertools.count(time.monotonic_ns())
    flooding(lambda: iter(lambda: stanzas.unknown_names(numbers), b""))(port, until)


def guess_passwords(port: int, until: float) -> None:
    """Try to log in."""

    def guess(_: int) -> None:
        while time.monotonic() < until:
            try:
                logged_in(port, HOSTILE, "a guess").close()
            except (LoginFailed, StreamEnded, OSError):
                pass

    _say_ready()
    _together(GUESSERS, guess)


def _together(count: int, act: Callable[[int], None]) -> None:
    threads = [threading.Thread(target=act, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _flood(
    client: RawClient, port: int, until: float, number: int, blocks: Callable[[], Iterator[bytes]], turn: float
) -> None:
    while time.monotonic() < until:
        try:
            with client:
                _send_all(client.socket, blocks(), until, turn)
        except (StreamEnded, OSError):
            client = _session(port, number)  # thrown out: it comes back


def _send_all(connection: socket.socket, blocks: Iterator[bytes], until: float, turn: float) -> None:
    connection.setblocking(False)
    for block in blocks:
        if time.monotonic() > until:
            return
        _pour(connection, block, until)
        time.sleep(turn)


def _pour(connection: socket.socket, block: bytes, until: float) -> None:
    """Send it, reading and forgetting what comes meanwhile. Raises StreamEnded."""
    rest = memoryview(block)
    while rest and time.monotonic() < until:
        readable, writable, _ = select.select([connection], [connection], [], 0.1)
        if readable and not connection.recv(RECEIVE_BYTES):
            raise StreamEnded(None)
        if writable:
            rest = rest[connection.send(rest) :]


def _session(port: int, number: int) -> RawClient:
    client = logged_in(port, HOSTILE, PASSWORD, f"{RESOURCE}{number}")
    client.send("<presence/>")
    return client


def _say_ready() -> None:
    print(READY, flush=True)


OVER_HTTPS: dict[str, Attack] = {name: over_https(visit) for name, visit in hostile_http.CROWDS.items()}
ATTACKS: dict[str, Attack] = {
    "nobody is hostile": idle,
    "reads nothing of 1,000 messages/s, 4 KiB each": read_nothing,
    "ten that send a byte a second": trickle,
    "1,000 that never log in": never_log_in,
    COME_BACK: come_back,
    **OVER_HTTPS,
    "largest messages, to somebody offline": sending(stanzas.message(SOMEBODY)),
    "largest messages, to itself": sending(stanzas.message(ITSELF)),
    "largest messages, to nobody": sending(stanzas.message(NOBODY)),
    "largest messages of 4,000 elements": sending(stanzas.most_elements()),
    "the same, prefixed": sending(stanzas.most_elements("a:")),
    "largest requests, stored": sending(stanzas.private_storage()),
    "deepest messages": sending(stanzas.deepest()),
    "smallest messages": sending(stanzas.many("<message/>")),
    "smallest presence": sending(stanzas.many("<presence/>")),
    "smallest presence, ten sessions": sending(stanzas.many("<presence/>"), sessions=10),
    "short chats, to somebody offline": sending(stanzas.many(stanzas.chat(SOMEBODY))),
    "pings": sending(stanzas.many(stanzas.ping())),
    "pages of its archive": ask_for_archive,
    "contacts added and removed": sending(stanzas.roster_changes()),
    "ever new names": name_things,
    "ten that guess passwords": guess_passwords,
}

if __name__ == "__main__":
    main(*sys.argv[1:])
