"""Negotiation as a table: headers, hosts, versions, and which event is legal when."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from xmpp.data.errors import StreamError
from xmpp.data.jid import JID
from xmpp.routing.feature import State
from xmpp.stream.framing import ClientFraming
from xmpp.stream.negotiation import Negotiation, new_stream_id
from xmpp.stream.xml.nameguard import ProcessNames
from xmpp.stream.xml.xmlfeed import StreamHeader, XMLFeed, XMLLimits

ROMEO = JID.parse("romeo@localhost")
NAMESPACES = "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"


def header(attributes: str, namespaces: str = NAMESPACES) -> StreamHeader:
    feed = XMLFeed(XMLLimits(10_000, elements=32, depth=8, attributes=16, names=20), ProcessNames(), ())
    (event,) = feed.read(f"<stream:stream {namespaces} {attributes}>".encode())
    assert isinstance(event, StreamHeader)
    return event


def negotiation(**changes: Any) -> Negotiation:
    settings: dict[str, Any] = {"domains": ("localhost", "example.org"), "default_domain": "localhost"}
    return Negotiation(**{**settings, "must_be_secure": True, "is_secure": False, **changes})


HEADERS = [
    ("to='localhost' version='1.0'", None),
    ("to='LocalHost' version='1.0'", None),
    ("to='localhost' version='1.1'", None),
    ("to='localhost' version='1.0' from='romeo@localhost'", None),
    ("version='1.0'", "improper-addressing"),
    ("to='elsewhere.example' version='1.0'", "host-unknown"),
    ("to='romeo@localhost' version='1.0'", "host-unknown"),
    ("to='@' version='1.0'", "host-unknown"),
    ("to='localhost'", "unsupported-version"),
    ("to='localhost' version='0.9'", "unsupported-version"),
    ("to='localhost' version='2.0'", None),  # RFC 6120 section 4.7.5: we answer with ours, the lower one
    ("to='localhost' version='one'", "unsupported-version"),
    (f"to='localhost' version='{'9' * 5_000}.0'", "unsupported-version"),  # more digits than Python reads
]


@pytest.mark.parametrize(("attributes", "condition"), HEADERS)
def test_the_clients_header(attributes: str, condition: str | None) -> None:
    stream = negotiation(must_be_secure=False)
    if condition is None:
        stream.opened(header(attributes))
        assert stream.state is State.OPEN
    else:
        with pytest.raises(StreamError, match=condition):
            stream.opened(header(attributes))
        assert stream.state is State.NEW


def test_the_content_namespace_is_that_of_clients() -> None:
    namespaces = NAMESPACES.replace("jabber:client", "jabber:server")
    with pytest.raises(StreamError, match="invalid-namespace"):
        negotiation().opened(header("to='localhost' version='1.0'", namespaces))


def test_our_header_names_the_host_that_was_asked_for() -> None:
    stream = negotiation()
    stream.opened(header("to='example.org' version='1.0' from='romeo@example.org'"))
    ours = ClientFraming().opening(stream.opening()).decode()
    assert " from=\"example.org\"" in ours
    assert " to=\"romeo@example.org\"" in ours
    assert f" id='{stream.id}'" in ours


def test_our_header_before_an_error_comes_from_the_default_domain() -> None:
    stream = negotiation()
    with pytest.raises(StreamError):
        stream.opened(header("to='elsewhere.example' version='1.0'"))
    assert " from=\"localhost\"" in ClientFraming().opening(stream.opening()).decode()


def test_row_02_the_host_is_pinned_by_the_first_header() -> None:
    """CVE-2018-10847: authenticate on one domain, open a session on another."""
    stream = negotiation()
    stream.opened(header("to='localhost' version='1.0'"))
    stream.secured()
    with pytest.raises(StreamError, match="host-unknown"):
        stream.opened(header("to='example.org' version='1.0'"))


def test_a_header_that_claims_to_be_somebody_else_after_login() -> None:
    stream = negotiation(is_secure=True)
    stream.opened(header("to='localhost' version='1.0'"))
    stream.authenticated(ROMEO)
    with pytest.raises(StreamError, match="invalid-from"):
        stream.opened(header("to='localhost' version='1.0' from='juliet@localhost'"))


def test_the_course_of_a_login() -> None:
    stream = negotiation()
    stream.opened(header("to='localhost' version='1.0'"))
    assert (stream.state, stream.is_secure) == (State.INSECURE, False)
    stream.secured()
    assert (stream.state, stream.is_secure) == (State.NEW, True)
    stream.opened(header("to='localhost' version='1.0'"))
    assert (stream.state, stream.is_secure) == (State.OPEN, True)
    stream.authenticated(ROMEO)
    stream.opened(header("to='localhost' version='1.0'"))
    stream.bound()
    assert stream.state is State.BOUND


LANGUAGES = [("en", None), ("EN", None), ("de", "de"), ("de-CH", "de-CH"), ("not a language", None), ("", None)]


@pytest.mark.parametrize(("tag", "language"), LANGUAGES)
def test_the_language_of_the_client_where_it_is_not_that_of_our_streams(tag: str, language: str | None) -> None:
    stream = negotiation()
    stream.opened(header(f"to='localhost' version='1.0' xml:lang='{tag}'"))
    assert stream.language == language


OUT_OF_TURN = [
    lambda stream: stream.bound(),
    lambda stream: (stream.opened(header("to='localhost' version='1.0'")), stream.bound()),
    lambda stream: stream.secured(),
    lambda stream: (stream.opened(header("to='localhost' version='1.0'")), stream.authenticated(ROMEO)),
]


@pytest.mark.parametrize("act", OUT_OF_TURN)
def test_events_out_of_turn(act: Callable[[Negotiation], object]) -> None:
    with pytest.raises(StreamError, match="policy-violation"):
        act(negotiation())


def test_stream_ids_cannot_be_guessed() -> None:
    ids = {new_stream_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(re.fullmatch(r"[0-9a-f]{32}", each) for each in ids)
