"""docs/security.md rows about getting around TLS: what is sent too early, in another order, or compressed."""

from collections.abc import Iterator

import pytest
from lxml import etree

from tests.harness.configured import PASSWORDS, run_server
from tests.harness.rawclient import PROCEED, LoginFailed, RawClient, condition_of, new_account, somebody, stream_header
from tests.harness.servers import RunningServer
from xmpp.data import names

STARTTLS = f"<starttls xmlns='{names.TLS}'/>"
REGISTRATION = (
    "<iq type='set' id='r'><query xmlns='jabber:iq:register'><username>{}</username><password>a</password></query></iq>"
)
AUTH = f"<auth xmlns='{names.SASL}' mechanism='PLAIN'>AGp1bGlldABh</auth>"
RESPONSE = f"<response xmlns='{names.SASL}'>AGp1bGlldABh</response>"
BIND = f"<iq type='set' id='b'><bind xmlns='{names.BIND}'/></iq>"
COMPRESS = "<compress xmlns='http://jabber.org/protocol/compress'><method>zlib</method></compress>"


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with run_server(tmp_path_factory.mktemp("secured"), register={"enabled": True, "open": True}) as server:
        yield server


def assert_no_compression(features: etree._Element) -> None:
    assert not [feature.tag for feature in features if "compress" in str(feature.tag)]


def test_row_08_compression_is_never_offered(demo: RunningServer) -> None:
    with RawClient(demo.port) as client:
        assert_no_compression(client.open())
        assert_no_compression(client.authenticate(*new_account(demo.port)))
    with RawClient(demo.tls_port) as client:
        client.secure()
        assert client.socket.compression() is None  # type: ignore[attr-defined]
        assert_no_compression(client.open())


@pytest.mark.parametrize("is_logged_in", [False, True])
def test_row_08_compression_is_never_begun(demo: RunningServer, is_logged_in: bool) -> None:
    with somebody(demo.port) if is_logged_in else RawClient(demo.port) as client:
        if not is_logged_in:
            client.open()
        client.send(COMPRESS)
        ending = client.ending()
    assert (ending.condition, ending.elements) == ("unsupported-stanza-type", [])


@pytest.mark.parametrize("injected", [REGISTRATION.format("eve"), stream_header() + REGISTRATION.format("eve"), AUTH])
def test_row_31_what_came_before_the_handshake_does_not_count_after_it(demo: RunningServer, injected: str) -> None:
    with RawClient(demo.port) as client:
        client.open()
        client.send(STARTTLS + injected)
        assert client.receive().tag == PROCEED
        client.secure()
        client.open()  # what comes first are the features
        client.ask("set", "<query xmlns='jabber:iq:register'><username>eve</username><password>a</password></query>")
        client.authenticate("eve", "a")  # nobody had that name yet
        client.bind()
        client.ask("set", "<query xmlns='jabber:iq:register'><remove/></query>")


@pytest.mark.parametrize(
    ("early", "condition"),
    [
        (RESPONSE, "not-authorized"),
        (REGISTRATION.format("eve"), "not-authorized"),
        (BIND, "not-authorized"),
        (COMPRESS, "unsupported-stanza-type"),
        (COMPRESS + AUTH, "unsupported-stanza-type"),
    ],
)
def test_row_32_nothing_but_tls_is_to_be_had_before_tls(secured: RunningServer, early: str, condition: str) -> None:
    with RawClient(secured.port) as client:
        client.open()
        client.send(early)
        ending = client.ending()
    assert (ending.condition, ending.elements) == (condition, [])


def test_row_32_no_password_is_looked_at_before_tls(secured: RunningServer) -> None:
    """RFC 6120 section 6.5.5: who has not heeded <required/> may still do so."""
    with RawClient(secured.port) as client:
        client.open()
        for name, password in (("juliet", PASSWORDS["juliet"]), ("nobody", "a")):
            with pytest.raises(LoginFailed, match="encryption-required"):
                client.authenticate(name, password)
        client.send(STARTTLS)
        assert client.receive().tag == PROCEED
        client.secure()
        client.open()
        client.authenticate("juliet", PASSWORDS["juliet"])


def test_row_32_who_insists_on_logging_in_before_tls_is_sent_away(secured: RunningServer) -> None:
    with RawClient(secured.port) as client:
        client.open()
        client.send(AUTH * 10)
        ending = client.ending()
    assert {condition_of(failure) for failure in ending.elements} == {"encryption-required"}
    assert ending.condition == "policy-violation"


def test_row_32_registration_and_login_are_to_be_had_over_tls(secured: RunningServer) -> None:
    with RawClient(secured.port) as client:
        features = client.start_tls()
        assert features.find("{http://jabber.org/features/iq-register}register") is not None
        client.authenticate("juliet", PASSWORDS["juliet"])
