"""A client that logs in within one round trip (XEP-0388), over TLS to a server inside the test."""

from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gevent import ssl
from lxml import etree
from scramp import ScramClient

from db.sqlite.database import Database
from tests.harness.streams import Stream, listening_server, local_name
from xmpp.server import Server
from xmpp.stream.tls.tls import ServerTLS, TLSSettings

SASL2 = "urn:xmpp:sasl:2"
BIND2 = "urn:xmpp:bind:0"
SM = "urn:xmpp:sm:3"
PHONE = "d4565fa7-4d72-4749-b3d3-740edbf87770"
TABLET = "0c6d9b2e-6b8e-4b8a-9d5f-2f0d1a3c5e71"


@contextmanager
def secured_server(folder: Path, **settings: Any) -> Iterator[Server]:
    """As `listening_server`, with TLS, and the archive as it is shipped."""
    tls = ServerTLS(TLSSettings(), {"localhost": []}, folder / "certificates")
    with listening_server(folder, Database, tls, **{"archive": {"enabled": True}, **settings}) as server:
        yield server


def context() -> ssl.SSLContext:
    """For a client that looks at no certificate."""
    chosen = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    chosen.check_hostname, chosen.verify_mode = False, ssl.CERT_NONE
    return chosen


class Sasl2Stream(Stream):
    """A client's side of a stream over TLS."""

    def __init__(
        self,
        server: Server,
        *,
        domain: str = "",
        newest: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`newest`: the newest version of TLS that it knows. `tls`: instead of `context`."""
        chosen = tls or context()
        chosen.maximum_version = newest
        super().__init__(server, domain=domain, tls=chosen)

    def authenticates(self, mechanism: str, first: bytes | None, inline: str = "", agent: str = "") -> etree._Element:
        """Send <authenticate/> with what else is wanted; returns what comes next. `agent`: the id of a client."""
        response = "" if first is None else f"<initial-response>{b64encode(first).decode()}</initial-response>"
        described = f"<user-agent id='{agent}'><software>Quill</software><device>A phone</device></user-agent>"
        return self.asks(
            f"<authenticate xmlns='{SASL2}' mechanism='{mechanism}'>{response}{described if agent else ''}"
            f"{inline}</authenticate>"
        )

    def answers(self, data: bytes) -> etree._Element:
        return self.asks(f"<response xmlns='{SASL2}'>{b64encode(data).decode()}</response>")

    def tries_plain(self, inline: str = "", agent: str = "", *, name: str = "juliet", password: str = "secret"
                    ) -> etree._Element:  # fmt: skip
        """One attempt with PLAIN: what it is answered."""
        return self.authenticates("PLAIN", f"\0{name}\0{password}".encode(), inline, agent)

    def tries_scram2(self, mechanism: str, inline: str = "", *, name: str = "juliet", password: str = "secret"
                     ) -> etree._Element:  # fmt: skip
        """One attempt with SCRAM: what it is answered in the end. The server has to prove that it knows the password,
        too."""
        client = ScramClient([mechanism], name, password)
        challenge = self.authenticates(mechanism, client.get_client_first().encode(), inline)
        client.set_server_first(b64decode(challenge.text or "").decode())
        success = self.answers(client.get_client_final().encode())
        if local_name(success) == "success":
            client.set_server_final(b64decode(success.findtext(f"{{{SASL2}}}additional-data") or "").decode())
        return success


def bind(*wanted: str, tag: str = "") -> str:
    """The <bind/> of XEP-0386 with what is to be switched on."""
    named = f"<tag>{tag}</tag>" if tag else ""
    return f"<bind xmlns='{BIND2}'>{named}{''.join(wanted)}</bind>"


def identifier(success: etree._Element) -> str:
    """Who has logged in, as the server says it."""
    assert local_name(success) == "success", etree.tostring(success)
    return success.findtext(f"{{{SASL2}}}authorization-identifier") or ""


def bound(success: etree._Element) -> etree._Element:
    """What became of the resource."""
    found = success.find(f"{{{BIND2}}}bound")
    assert found is not None, etree.tostring(success)
    return found
