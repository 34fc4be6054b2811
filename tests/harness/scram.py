"""A client's side of SCRAM, with the channel bindings that scramp's client does not know; called as that one is."""

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode


class BindingClient:
    """It binds to a channel, by a type and its data."""

    def __init__(self, mechanism: str, name: str, password: str, channel: tuple[str, bytes]) -> None:
        self._hash = mechanism.removeprefix("SCRAM-").removesuffix("-PLUS").replace("-", "").lower()
        self._password = password.encode()
        kind, self._data = channel
        self._header = f"p={kind},,"
        self._bare = f"n={name},r={secrets.token_hex(8)}"
        self._server_first = ""
        self._salted = b""
        self._signed = b""

    def get_client_first(self) -> str:
        return self._header + self._bare

    def set_server_first(self, message: str) -> None:
        self._server_first = message

    def get_client_final(self) -> str:
        attributes = attributes_of(self._server_first)
        salt, iterations = b64decode(attributes["s"]), int(attributes["i"])
        self._salted = hashlib.pbkdf2_hmac(self._hash, self._password, salt, iterations)
        key = hmac.digest(self._salted, b"Client Key", self._hash)
        binding = b64encode(self._header.encode() + self._data).decode()
        without_proof = f"c={binding},r={attributes['r']}"
        self._signed = ",".join((self._bare, self._server_first, without_proof)).encode()
        signature = hmac.digest(hashlib.new(self._hash, key).digest(), self._signed, self._hash)
        proof = bytes(a ^ b for a, b in zip(key, signature, strict=True))
        return f"{without_proof},p={b64encode(proof).decode()}"

    def set_server_final(self, message: str) -> None:
        key = hmac.digest(self._salted, b"Server Key", self._hash)
        assert b64decode(attributes_of(message)["v"]) == hmac.digest(key, self._signed, self._hash)


def attributes_of(message: str) -> dict[str, str]:
    """The attributes of a message of SCRAM, by their letters."""
    return dict(part.split("=", 1) for part in message.split(","))
