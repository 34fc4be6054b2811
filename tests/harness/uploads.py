"""Files that are uploaded: slots that are asked for, and what is put there."""

from urllib.parse import urlsplit

from tests.harness.browsing import Browser
from tests.harness.in_process import Client
from xmpp.data.wire import parse

SERVICE = "upload.localhost"
UPLOAD = "urn:xmpp:http:upload:0"
PURPOSES = "urn:xmpp:http:upload:purpose:0"


def ask_slot(client: Client, name: str = "hat.png", size: int = 5, type: str = "", purpose: str = "") -> str:
    """What a client that asks for a slot is answered: the slot, or the condition of the error."""
    described = f" content-type='{type}'" if type else ""
    if purpose and not purpose.startswith("<"):
        purpose = f"<{purpose} xmlns='{PURPOSES}'/>"
    asked = f"<request xmlns='{UPLOAD}' filename='{name}' size='{size}'{described}>{purpose}</request>"
    return client.asks(asked, to=SERVICE)


def slot(client: Client, name: str = "hat.png", size: int = 5, type: str = "", purpose: str = "") -> str:
    """The path that a file can be put at."""
    answer = ask_slot(client, name, size, type, purpose)
    assert answer.startswith("<slot "), answer
    found = parse(answer.encode())
    assert found[0].get("url") == found[1].get("url")
    return urlsplit(found[0].get("url", "")).path


def upload(
    browser: Browser,
    client: Client,
    content: bytes = b"a hat",
    name: str = "hat.png",
    type: str = "image/png",
    purpose: str = "",
) -> str:
    """Upload a file; returns its path."""
    path = slot(client, name, len(content), type, purpose)
    assert browser.ask("PUT", path, content).status == 201
    return path
