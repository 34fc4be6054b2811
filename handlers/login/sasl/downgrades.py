"""What is signed together with a login, so that a client finds out that somebody in between has changed what it was
offered (XEP-0474) or made it use another version of TLS than the server (XEP-0515)."""

import hashlib
from base64 import b64encode
from collections.abc import Iterable, Mapping

from handlers.login.sasl.salted_keys import algorithm

BETWEEN, BEFORE_BINDINGS = "\x1e", "\x1f"  # neither can be in XML
VERSIONS: Mapping[str, str] = {"TLSv1.2": "0303", "TLSv1.3": "0304"}
"""What TLS itself writes for its versions (RFC 8446 section 4.2.1), by what they are called."""


def announced(mechanisms: Iterable[str], bindings: Iterable[str]) -> str:
    """The mechanisms that a stream is offered, and the types of channel binding that it is told of, if it is told of
    any: what XEP-0474 has hashed."""
    text = BETWEEN.join(sorted(mechanisms))  # all of it is ASCII, so this is the order of octets
    types = BETWEEN.join(sorted(bindings))
    return text + BEFORE_BINDINGS + types if types else text


def attributes(announced: str, tls_version: str, hash: str) -> str:
    """The attributes at the end of SCRAM's server-first message, each after its comma. `announced`: "" for none, as is
    a version of TLS that is not known here, because TLS ends elsewhere."""
    text = ""
    if announced:
        text += f",h={b64encode(hashlib.new(algorithm(hash), announced.encode()).digest()).decode()}"
    if tls_version in VERSIONS:
        text += f",t={VERSIONS[tls_version]}"
    return text
