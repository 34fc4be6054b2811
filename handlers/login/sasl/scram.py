"""SCRAM (RFC 5802, RFC 7677) with channel binding (RFC 5929): the server's side, data in, data out.

The messages, named as in RFC 5802 section 7:

    client-first    n,,n=juliet,r=CLIENT_NONCE
    server-first    r=NONCE,s=SALT,i=ITERATIONS,h=WHAT_WAS_OFFERED,t=TLS_VERSION
    client-final    c=CHANNEL_BINDING,r=NONCE,p=PROOF
    server-final    v=SIGNATURE

Not by the scramp package: it refuses every authorization identity, even the account's own; it knows one channel binding
at a time, while a client of TLS 1.2 may choose among two; and it has one exception for all that RFC 6120 section 6.5
tells apart (malformed-request, invalid-authzid, not-authorized). The tests use its client.
"""

import binascii
import hashlib
import hmac
import re
import secrets
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field

from db.accounts import Credential
from handlers.login.sasl.downgrades import attributes
from handlers.login.sasl.exchange import CannotBind, Challenge, CredentialOf, Verdict, claimed_account, text_of
from handlers.login.sasl.salted_keys import algorithm
from xmpp.data.errors import SASLFailure
from xmpp.data.jid import JID

NONCE_BYTES = 18

_NAME = r"(?:[^,=\0]|=2C|=3D)+"
_NONCE = r"[!-+\--~]+"  # printable ASCII but the comma
_EXTENSIONS = r"(?:,[A-Za-z]=[^,\0]+)*"  # optional ones; a mandatory one (m=), of which we know none, precedes the name
_BASE64 = r"[A-Za-z0-9+/=]+"

CLIENT_FIRST = re.compile(
    rf"(?P<gs2_header>(?P<flag>[ny]|p=(?P<binding>[A-Za-z0-9.-]+)),(?:a=(?P<authzid>{_NAME}))?,)"
    rf"(?P<bare>n=(?P<name>{_NAME}),r=(?P<nonce>{_NONCE}){_EXTENSIONS})"
)
CLIENT_FINAL = re.compile(
    rf"(?P<without_proof>c=(?P<binding>{_BASE64}),r=(?P<nonce>{_NONCE}){_EXTENSIONS}),p=(?P<proof>{_BASE64})"
)


@dataclass(frozen=True)
class Terms:
    """What the exchange has to fit: the hash, whether the client chose a -PLUS mechanism, whether any was offered, and
    the channel bindings of its stream by type. `announced` and `tls_version` are for downgrades.py."""

    host: str
    hash: str
    is_plus: bool = False
    plus_is_offered: bool = False
    bindings: Mapping[str, bytes] = field(default_factory=dict)
    announced: str = ""
    tls_version: str = ""


class Scram:
    """One exchange: respond to client-first, then to client-final."""

    def __init__(self, terms: Terms, credential_of: CredentialOf, nonce: str | None = None) -> None:
        """`nonce`: our part of the nonce; only tests give one."""
        self._terms = terms
        self._credential_of = credential_of
        self._own_nonce = nonce or secrets.token_urlsafe(NONCE_BYTES)
        self._agreed: _Agreement | None = None

    def respond(self, data: bytes) -> Challenge | Verdict:
        """Take the client's next message. Raises SASLFailure."""
        if self._agreed is None:
            return self._begin(_matched(CLIENT_FIRST, data))
        return self._agreed.verdict(_matched(CLIENT_FINAL, data))

    def _begin(self, first: re.Match[str]) -> Challenge:
        account = claimed_account(_unescaped(first["name"]), _unescaped(first["authzid"] or ""), self._terms.host)
        binding = first["gs2_header"].encode() + binding_data(first["flag"], first["binding"], self._terms)
        credential = self._credential_of(account, self._terms.hash)
        nonce = first["nonce"] + self._own_nonce
        server_first = f"r={nonce},s={b64encode(credential.salt).decode()},i={credential.iterations}"
        server_first += attributes(self._terms.announced, self._terms.tls_version, self._terms.hash)
        self._agreed = _Agreement(
            account, self._terms.hash, credential, nonce, binding, signed=f"{first['bare']},{server_first}"
        )
        return Challenge(server_first.encode())


def binding_data(flag: str, kind: str | None, terms: Terms) -> bytes:
    """The data of the channel that the client has to bind to, b"" if it does not bind. Raises SASLFailure if its flag
    contradicts what was offered, and CannotBind for a type that the stream does not have."""
    if flag == "y" and terms.plus_is_offered:
        # The client can bind, and believes that we cannot: somebody in between has shortened the list of mechanisms.
        raise SASLFailure("not-authorized", "channel binding was offered")
    if (kind is not None) != terms.is_plus:
        raise SASLFailure("malformed-request", "the mechanism and its channel binding flag contradict each other")
    if kind is None:
        return b""
    if kind not in terms.bindings:
        # Mostly tls-unique on TLS 1.3: some clients ignore the list of types that they are told (XEP-0440)
        raise CannotBind("malformed-request", "this connection has no channel binding of that type")
    return terms.bindings[kind]


@dataclass(frozen=True)
class _Agreement:
    """What client-first has settled, and client-final has to fit."""

    account: JID
    hash: str
    credential: Credential
    nonce: str
    binding: bytes
    signed: str

    def verdict(self, final: re.Match[str]) -> Verdict:
        name = algorithm(self.hash)
        signed = f"{self.signed},{final['without_proof']}".encode()
        is_right = (
            hmac.compare_digest(final["nonce"].encode(), self.nonce.encode())
            & hmac.compare_digest(_decoded(final["binding"]), self.binding)
            & proves(_decoded(final["proof"]), signed, self.credential.stored_key, name)
        )
        signature = b64encode(hmac.digest(self.credential.server_key, signed, name))
        return Verdict(self.account, is_right, b"v=" + signature)


def proves(proof: bytes, signed: bytes, stored_key: bytes, algorithm: str) -> bool:
    """True if the proof shows that the client knows the key of which `stored_key` is the hash (RFC 5802 section 3).
    Raises SASLFailure if it has the wrong length."""
    if len(proof) != len(stored_key):
        raise SASLFailure("malformed-request", f"the proof has {len(proof)} bytes, not {len(stored_key)}")
    signature = hmac.digest(stored_key, signed, algorithm)
    client_key = (int.from_bytes(signature) ^ int.from_bytes(proof)).to_bytes(len(proof))
    return hmac.compare_digest(hashlib.new(algorithm, client_key).digest(), stored_key)


def _matched(message: re.Pattern[str], data: bytes) -> re.Match[str]:
    match = message.fullmatch(text_of(data))
    if match is None:
        raise SASLFailure("malformed-request", "not a SCRAM message")
    return match


def _unescaped(name: str) -> str:
    return name.replace("=2C", ",").replace("=3D", "=")


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except binascii.Error:
        raise SASLFailure("malformed-request", "not base64") from None
