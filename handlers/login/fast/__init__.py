"""FAST (XEP-0484): a client that has logged in gets a token, and logs in with that from then on, in one message and
without the password. A token is for one client and one mechanism, lasts some weeks, and is replaced now and then."""

from dataclasses import dataclass

from lxml import etree

from handlers.login.clients import client_of
from handlers.login.fast.hashed_token import BINDINGS, HashedToken, available
from handlers.login.fast.tokens import Lifetime, PresentedToken, Use, give, is_due
from handlers.login.sasl import attempts, external, guests
from handlers.login.sasl.attempts import Attempt
from handlers.login.sasl.settings import SASLSettings
from handlers.login.sasl2.inline import LoggedIn
from handlers.login.sasl2.request import Request
from xmpp.config.configuration import setting
from xmpp.data.errors import SASLFailure
from xmpp.data.timestamps import format_utc
from xmpp.routing.feature import Feature
from xmpp.routing.streams import Stream

NAMESPACE = "urn:xmpp:fast:0"
FAST, REQUEST_TOKEN, TOKEN = f"{{{NAMESPACE}}}fast", f"{{{NAMESPACE}}}request-token", f"{{{NAMESPACE}}}token"
MECHANISM = f"{{{NAMESPACE}}}mechanism"
DAY, HOUR = 86_400.0, 3_600.0
DIGITS = 18  # of a count, at most
BOOLEANS = {None: False, "0": False, "false": False, "1": True, "true": True}


@dataclass(frozen=True)
class FastSettings:
    """Tokens (XEP-0484): clients log in with one, in one message and without the password."""

    days: int = setting(
        21, "For how long a token is good. Who is away for longer needs the password again.", minimum=1, maximum=3_650
    )
    renewal_hours: int = setting(
        24, "A client whose token is older gets a new one when it logs in.", minimum=0, maximum=87_600
    )
    clients: int = setting(20, "How many clients of one account may have a token.", minimum=1, maximum=1_000)


feature = Feature("fast", xep="0484", settings=FastSettings, needs=["sasl2"])


# -- what is offered


@feature.step
def offer(stream: Stream) -> etree._Element:
    """AUTHENTICATION_OFFERED: the mechanisms that this connection can have. Never in TLS 1.3's early data, which is not
    read."""
    fast = etree.Element(FAST, nsmap={None: NAMESPACE})
    for name in available(attempts.offered(stream).circumstances.bindings):
        etree.SubElement(fast, MECHANISM).text = name
    return fast


# -- logging in with a token


@feature.step
def attempt(stream: Stream, request: Request, mechanism: str | None) -> Attempt | None:
    """ATTEMPTED: with <fast/>, these mechanisms count and no others. Raises SASLFailure."""
    fast = request.element.find(FAST)
    if fast is None:
        return None
    bindings = available(attempts.offered(stream).circumstances.bindings)
    if mechanism is None or mechanism not in bindings:
        raise SASLFailure("invalid-mechanism")
    if not request.user_agent.id:
        raise SASLFailure("malformed-request", "a token is for a user agent that has an id")
    token = PresentedToken(stream.server, mechanism, request.user_agent.id, _use(fast))
    return Attempt(mechanism, HashedToken(stream.host, bindings[mechanism], token.token), token)


def _use(fast: etree._Element) -> Use:
    count, invalidate = fast.get("count"), fast.get("invalidate")
    if count is not None and not (count.isascii() and count.isdigit() and len(count) <= DIGITS):
        raise SASLFailure("malformed-request", "a count is a number")
    if invalidate not in BOOLEANS:
        raise SASLFailure("malformed-request", "whether a token is to be invalidated is true or false")
    return Use(None if count is None else int(count), BOOLEANS[invalidate])


# -- getting a token


@feature.step
def give_token(logged_in: LoggedIn) -> None:
    """AUTHENTICATED_INLINE: to a client that asks for one, and to one whose token is old (section "Server initiates
    token rotation")."""
    stream, agent = logged_in.stream, logged_in.request.user_agent.id
    server, account, identity = stream.server, stream.account, stream.identity
    assert account is not None and identity is not None
    if not agent or logged_in.mechanism in (guests.MECHANISM, external.MECHANISM):
        return  # a certificate is as quick, and a token would be good when it is not any more
    client, settings = client_of(server, identity, agent), server.settings(FastSettings)
    asked = logged_in.request.element.find(REQUEST_TOKEN)
    if asked is not None:
        mechanism = asked.get("mechanism")
        if mechanism not in _available_now(stream):
            return
    else:
        mechanism = logged_in.mechanism
        if mechanism not in BINDINGS or not is_due(server, account, client, settings.renewal_hours * HOUR):
            return
    lifetime = Lifetime(settings.days * DAY, settings.clients)
    text, expires = give(server, account, client, mechanism, lifetime)
    etree.SubElement(
        logged_in.success, TOKEN, {"token": text, "expiry": format_utc(expires)}, nsmap={None: NAMESPACE}
    )


def _available_now(stream: Stream) -> dict[str, bytes]:
    """After the login, which has forgotten what was offered."""
    may_bind = stream.server.settings(SASLSettings).channel_binding
    return available(stream.channel_bindings() if may_bind else {})
