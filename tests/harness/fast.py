"""A client that logs in with a token (XEP-0484), over TLS to a server inside the test."""

import hmac
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from gevent import ssl
from lxml import etree

from tests.harness.sasl2 import PHONE, SASL2, Sasl2Stream
from tests.harness.streams import local_name, outcome
from xmpp.server import Server
from xmpp.stream.tls.exporter import Exporter

FAST = "urn:xmpp:fast:0"
NONE = "HT-SHA-256-NONE"
BINDINGS = {"ENDP": "tls-server-end-point", "EXPR": "tls-exporter", "UNIQ": "tls-unique", "NONE": ""}


class FastStream(Sasl2Stream):
    """A client's side of a stream, of a client that has tokens."""

    def gets_token(self, mechanism: str = NONE, agent: str = PHONE, **who: str) -> str:
        """Log in with the password, and ask for a token."""
        token = token_in(self.tries_plain(request(mechanism), agent, **who))
        assert token is not None
        return token

    def tries_token(
        self, token: str, mechanism: str = NONE, inline: str = "", agent: str = PHONE, *, said: str = "",
        name: str = "juliet", proves: str = "",
    ) -> etree._Element:  # fmt: skip
        """One attempt with a token: what it is answered. The server has to prove that it knows the token, too. `said`:
        the attributes of <fast/>. `proves`: for another mechanism than the one that is named."""
        channel = self._channel(proves or mechanism)
        first = f"{name}\0".encode() + hmac.digest(token.encode(), b"Initiator" + channel, "sha256")
        answer = self.authenticates(mechanism, first, f"<fast xmlns='{FAST}' {said}/>" + inline, agent)
        if local_name(answer) == "success":
            proof = b64decode(answer.findtext(f"{{{SASL2}}}additional-data") or "")
            assert proof == hmac.digest(token.encode(), b"Responder" + channel, "sha256")
        return answer

    def _channel(self, mechanism: str) -> bytes:
        kind = BINDINGS[mechanism.rpartition("-")[2]]
        if kind == "tls-exporter":
            return Exporter().exported(self.tls) or b""
        if kind == "tls-server-end-point":
            certificate = x509.load_der_x509_certificate(self.tls.getpeercert(binary_form=True) or b"")
            assert isinstance(certificate.signature_hash_algorithm, SHA256)
            return certificate.fingerprint(SHA256())
        return self.tls.get_channel_binding(kind) or b"" if kind else b""


@contextmanager
def opened(
    server: Server, *, domain: str = "", newest: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED
) -> Iterator[FastStream]:
    with FastStream(server, domain=domain, newest=newest) as stream:
        stream.open()
        yield stream


def given(server: Server, mechanism: str = NONE, agent: str = PHONE, **who: str) -> str:
    """The token that a client gets when it logs in with the password."""
    with opened(server) as stream:
        return stream.gets_token(mechanism, agent, **who)


def tries(server: Server, token: str, mechanism: str = NONE, agent: str = PHONE, **how: str) -> str:
    """What becomes of an attempt with a token, on a stream of its own."""
    with opened(server) as stream:
        return outcome(stream.tries_token(token, mechanism, agent=agent, **how))


def request(mechanism: str = NONE) -> str:
    return f"<request-token xmlns='{FAST}' mechanism='{mechanism}'/>"


def token_in(success: etree._Element) -> str | None:
    """The token that the server gives with a login, None if it gives none."""
    assert local_name(success) == "success", etree.tostring(success)
    found = success.find(f"{{{FAST}}}token")
    return None if found is None else found.get("token")


def have_aged(server: Server, seconds: float) -> None:
    """Have all tokens been given so long before."""
    server.db.connection.execute(
        "UPDATE fast_token SET issued = issued - ?, expires = expires - ?", (seconds, seconds)
    )
