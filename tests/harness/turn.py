"""A TURN server for tests (coturn), and a client that asks it for a relay (RFC 8489, RFC 8656)."""

import hashlib
import hmac
import os
import secrets
import shutil
import socket
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Self

PROGRAM = shutil.which("turnserver")
PATIENCE = 60.0  # seconds; only a server that hangs takes that long
CONFIGURATION = """\
listening-ip=127.0.0.1
listening-port=0
relay-ip=127.0.0.1
relay-threads=1
no-tcp
no-tls
no-dtls
no-cli
realm=localhost
use-auth-secret
static-auth-secret={secret}
userdb={folder}/users.db
pidfile={folder}/pid
log-file=stdout
verbose
"""

MAGIC_COOKIE = 0x2112A442
ALLOCATE, ALLOCATED, REFUSED = 0x0003, 0x0103, 0x0113
USERNAME, MESSAGE_INTEGRITY, ERROR_CODE, REALM, NONCE = 0x0006, 0x0008, 0x0009, 0x0014, 0x0015
REQUESTED_TRANSPORT, UDP = 0x0019, b"\x11\0\0\0"
HEADER, ATTRIBUTE = struct.Struct(">HHI12s"), struct.Struct(">HH")
INTEGRITY_SIZE = ATTRIBUTE.size + 20


class TurnServer:
    """turnserver on loopback, at a `port` that the system chose; it believes credentials made with the secret."""

    def __init__(self, folder: Path, secret: str) -> None:
        assert PROGRAM is not None
        file = folder / "turnserver.conf"
        file.write_text(CONFIGURATION.format(secret=secret, folder=folder))
        self.process = subprocess.Popen(
            [PROGRAM, "-c", str(file)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        try:
            self._wait_until_it_listens()
            self.port = _udp_port_of(self.process.pid)
        except BaseException:
            self.close()
            raise

    def _wait_until_it_listens(self) -> None:
        assert self.process.stdout is not None
        said = []
        for line in self.process.stdout:
            said.append(line)
            if "UDP listener opened" in line:
                return
        raise AssertionError("".join(said))

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait(PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _udp_port_of(process: int) -> int:
    """What it listens on: turnserver does not say which port it got."""
    opened = {os.readlink(each) for each in Path(f"/proc/{process}/fd").iterdir()}
    for line in Path("/proc/net/udp").read_text().splitlines()[1:]:
        fields = line.split()
        if f"socket:[{fields[9]}]" in opened:
            return int(fields[1].partition(":")[2], 16)
    raise AssertionError("no UDP socket")


class Refused(Exception):
    """The TURN server gives no relay."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def allocate(port: int, username: str, password: str) -> None:
    """Ask for a relay with these credentials (RFC 8656 section 7). Raises Refused."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(PATIENCE)
        client.connect(("127.0.0.1", port))
        type, challenge = _ask(client, {REQUESTED_TRANSPORT: UDP})
        assert (type, _code(challenge)) == (REFUSED, 401)  # who are you?
        realm = challenge[REALM]
        key = hashlib.md5(b":".join([username.encode(), realm, password.encode()]), usedforsecurity=False).digest()
        identity = {USERNAME: username.encode(), REALM: realm, NONCE: challenge[NONCE]}
        type, answer = _ask(client, {REQUESTED_TRANSPORT: UDP, **identity}, key)
        if type != ALLOCATED:
            raise Refused(_code(answer))


def _code(attributes: Mapping[int, bytes]) -> int:
    error = attributes[ERROR_CODE]
    return error[2] * 100 + error[3]


def _ask(
    client: socket.socket, attributes: Mapping[int, bytes], key: bytes | None = None
) -> tuple[int, dict[int, bytes]]:
    """Send a request, signed with the key if there is one; returns the type of the answer, and its attributes."""
    id = secrets.token_bytes(12)
    content = b"".join(_attribute(type, value) for type, value in attributes.items())
    if key is None:
        client.send(HEADER.pack(ALLOCATE, len(content), MAGIC_COOKIE, id) + content)
    else:
        signed = HEADER.pack(ALLOCATE, len(content) + INTEGRITY_SIZE, MAGIC_COOKIE, id) + content
        client.send(signed + _attribute(MESSAGE_INTEGRITY, hmac.digest(key, signed, "sha1")))
    answer = client.recv(65536)
    type, _, _, answered = HEADER.unpack_from(answer)
    assert answered == id
    return type, _attributes(answer[HEADER.size :])


def _attribute(type: int, value: bytes) -> bytes:
    return ATTRIBUTE.pack(type, len(value)) + value + bytes(-len(value) % 4)


def _attributes(content: bytes) -> dict[int, bytes]:
    found = {}
    while content:
        type, length = ATTRIBUTE.unpack_from(content)
        found[type] = content[ATTRIBUTE.size :][:length]
        content = content[ATTRIBUTE.size + length + -length % 4 :]
    return found
