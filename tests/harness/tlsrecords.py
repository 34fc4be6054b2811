"""What no TLS library sends: the records of TLS 1.3 written by hand, on a connection that Python's ssl has set up.

The secret comes from the key log, the keys from it by RFC 8446 section 7.3; what the server sends is still read by ssl.
"""

import socket
import ssl
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

APPLICATION_DATA, HANDSHAKE = 23, 22
CIPHER = "TLS_AES_256_GCM_SHA384"  # what OpenSSL prefers
KEY_BYTES, IV_BYTES, TAG_BYTES, HASH_BYTES = 32, 12, 16, 48
KEY_UPDATE = bytes.fromhex("18 000001 00")  # update_not_requested
KEY_UPDATE_REQUESTED = bytes.fromhex("18 000001 01")


class RecordWriter:
    """In place of a client's TLS socket: `sendall` as it has it, and records of any kind."""

    def __init__(self, tls: ssl.SSLSocket, key_log: Path) -> None:
        cipher = tls.cipher()
        assert cipher is not None and cipher[0] == CIPHER
        self._tls = tls
        self._raw = socket.socket(fileno=socket.dup(tls.fileno()))
        self._raw.settimeout(tls.gettimeout())
        [self._secret] = (
            bytes.fromhex(line.split()[2])
            for line in key_log.read_text().splitlines()
            if line.startswith("CLIENT_TRAFFIC_SECRET_0 ")
        )
        self._take_keys()

    def record(self, content: bytes, kind: int = APPLICATION_DATA) -> bytes:
        """The next record, with this in it; after a key update the next ones have other keys."""
        header = bytes([APPLICATION_DATA, 3, 3]) + (len(content) + 1 + TAG_BYTES).to_bytes(2)
        nonce = (self._iv ^ self._sequence).to_bytes(IV_BYTES)
        self._sequence += 1
        return header + self._cipher.encrypt(nonce, content + bytes([kind]), header)

    def key_update(self, message: bytes = KEY_UPDATE) -> bytes:
        """The record of a key update, after which the keys are others."""
        record = self.record(message, HANDSHAKE)
        self._secret = self._expand("traffic upd", HASH_BYTES)
        self._take_keys()
        return record

    def send_raw(self, records: bytes) -> None:
        """Send records as they are."""
        self._raw.sendall(records)

    def sendall(self, data: bytes) -> None:
        """Send application data, little enough for one record."""
        self.send_raw(self.record(data))

    def recv(self, size: int) -> bytes:
        return self._tls.recv(size)

    def close(self) -> None:
        self._raw.close()
        self._tls.close()

    def _take_keys(self) -> None:
        self._cipher = AESGCM(self._expand("key", KEY_BYTES))
        self._iv = int.from_bytes(self._expand("iv", IV_BYTES))
        self._sequence = 0

    def _expand(self, label: str, length: int) -> bytes:
        """HKDF-Expand-Label, without a context."""
        name = b"tls13 " + label.encode()
        info = length.to_bytes(2) + bytes([len(name)]) + name + b"\0"
        return HKDFExpand(SHA384(), length, info).derive(self._secret)
