"""The load generator with clients that log in within one round trip (XEP-0388), each with a session of its own then.

    python -m bench.loginload connect --profile sasl2 --port PORT --tls --full --server-pid PID

`--profile`: sasl2 is SCRAM with a resource bound (XEP-0386); fast is by a token (XEP-0484), in place of the password;
resume takes the session of an earlier connection (XEP-0198). What the last two need, each client gets by a login that
is not measured.
"""

import base64
import hmac
import re
import sys
import time
from typing import Any, ClassVar
from uuid import UUID

from bench import xmppload

known_connect: Any = xmppload.cmd_connect  # for which ours stands in
Connection: Any = xmppload.Conn

OPTION = "--profile"
HASHED_TOKEN = "HT-SHA-256-NONE"
MECHANISM = "SCRAM-SHA-1"
SUCCESS = re.compile(rb"<(?:\w+:)?success\b.*?</(?:\w+:)?success>", re.S)
CHALLENGE = re.compile(rb"<(?:\w+:)?challenge\b[^>]*>([^<]*)<")
IDENTIFIER = re.compile(rb"<(?:\w+:)?authorization-identifier>([^<]*)<")
SIGNATURE = re.compile(rb"<(?:\w+:)?additional-data>([^<]*)<")
TOKEN = re.compile(rb"\btoken=['\"]([^'\"]+)")
SESSION_ID = re.compile(rb"<(?:\w+:)?enabled\b[^>]*?\bid=['\"]([^'\"]+)")
ENABLE = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>"


class Client(Connection):  # type: ignore[misc] # it is of a file without types
    """A connection of one of the accounts; what it has got for the next time stands in `kept`, by the account."""

    kept: ClassVar[dict[str, str]] = {}
    profile = "sasl2"
    is_preparing = False

    def auth(self, features: bytes) -> None:
        """Send <authenticate/>."""
        self.buf, self.state = b"", "authenticate"
        self.send(self._authenticate().encode())

    def negotiate(self) -> None:
        """Go on with what has come."""
        if self.state != "authenticate":
            Connection.negotiate(self)
        elif b"<failure" in self.buf or b"stream:error" in self.buf:
            raise xmppload.Fail(f"{self.user}: {self.buf[:600]!r}")
        elif self.is_by_password and (challenge := CHALLENGE.search(self.buf)):
            self.buf, text = b"", challenge[1]
            self.scram_step(text)
        elif success := SUCCESS.search(self.buf):
            self._begin(success[0])

    def send(self, data: bytes) -> None:
        """The response of SCRAM is the same in either profile."""
        Connection.send(self, data.replace(b"urn:ietf:params:xml:ns:xmpp-sasl", b"urn:xmpp:sasl:2"))

    @property
    def is_by_password(self) -> bool:
        """Whether this login is by SCRAM."""
        return self.is_preparing or self.profile in ("sasl2", "resume")

    def _authenticate(self) -> str:
        if self.is_by_password:
            self.nonce = base64.b64encode(self.user.encode() + b"nonce")
            self.scram = b"n=%b,r=%b" % (self.user.encode(), self.nonce)
            mechanism, first = MECHANISM, b"n,," + self.scram
        else:
            mechanism, key = HASHED_TOKEN, self.kept[self.user].encode()
            first = self.user.encode() + b"\0" + hmac.digest(key, b"Initiator", "sha256")
        return (
            f"<authenticate xmlns='urn:xmpp:sasl:2' mechanism='{mechanism}'>"
            f"<initial-response>{base64.b64encode(first).decode()}</initial-response>"
            f"<user-agent id='{UUID(int=hash(self.user) & (1 << 127) - 1, version=4)}'/>{self._wanted()}</authenticate>"
        )

    def _wanted(self) -> str:
        bind = f"<bind xmlns='urn:xmpp:bind:0'><tag>xl</tag>{ENABLE if self.profile == 'resume' else ''}</bind>"
        if self.is_preparing and self.profile == "fast":
            return f"<request-token xmlns='urn:xmpp:fast:0' mechanism='{HASHED_TOKEN}'/>{bind}"
        if not self.is_preparing and self.profile == "resume":
            return f"<resume xmlns='urn:xmpp:sm:3' previd='{self.kept[self.user]}' h='1'/>"
        return f"<fast xmlns='urn:xmpp:fast:0'/>{bind}" if self.profile == "fast" else bind

    def _begin(self, success: bytes) -> None:
        """The session has begun, or goes on: then there is nothing more to ask for."""
        if self.is_by_password:
            signature = SIGNATURE.search(success)
            if not signature or base64.b64decode(signature[1]) != b"v=" + self.server_sig:
                raise xmppload.Fail(f"{self.user}: the server's SCRAM signature is wrong")
        found = IDENTIFIER.search(success)
        self.jid = found[1].decode() if found else None
        got = {"fast": TOKEN, "resume": SESSION_ID}.get(self.profile)
        if got is not None and self.is_preparing:
            given = got.search(success)
            if not given:
                raise xmppload.Fail(f"{self.user}: nothing was given for the next time: {success!r}")
            self.kept[self.user] = given[1].decode()
        if self.profile == "resume" and not self.is_preparing:
            if b"<resumed" not in success:
                raise xmppload.Fail(f"{self.user}: not resumed: {success!r}")
            self.buf = b""
            self.live()
            return
        self.buf, self.state = b"", "sync"
        self.send(
            b"<iq type='get' id='xlros'><query xmlns='jabber:iq:roster'/></iq><presence/>"
            b"<iq type='get' id='xlsync' to='%b'><ping xmlns='urn:xmpp:ping'/></iq>" % self.loop.a.domain.encode()
        )


def connect(a: Any, server: Any) -> Any:
    """Log all clients in, and say what that has cost."""
    Client.profile = a.profile
    if a.profile != "sasl2" and not Client.kept:
        _prepare(a)
    a.warmed = True  # all accounts have the same salt
    return known_connect(a, server)


def _prepare(a: Any) -> None:
    """The logins before: their connections are lost, and what they leave is there."""
    Client.is_preparing, loop = True, xmppload.Loop(a)
    try:
        loop.login(xmppload.names(a, a.clients), a.concurrency)
    finally:
        for each in list(loop.conns.values()):
            each.drop()
        loop.ep.close()
        Client.is_preparing = False
    time.sleep(2)  # until the server is at rest


if __name__ == "__main__":
    xmppload.cmd_connect = connect
    setattr(xmppload, "Conn", Client)  # noqa: B010
    sys.exit(xmppload.main())
