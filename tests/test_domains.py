"""Several domains in one server, as its people see them: each has its own certificate, logins, pages and services. What
people at two of them say to each other is in test_domains_dialogues.py, what may differ in test_domains_settings.py."""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from gevent import socket, ssl

from handlers.login import accounts
from handlers.login.sasl.guests import Guests
from tests.harness.browsing import browser, get, web_server
from tests.harness.domains import DOMAINS, IDN, A, B, hosting
from tests.harness.in_process import Client, online
from tests.harness.rooms import enter, opened, told
from tests.harness.streams import PATIENCE, Stream
from tests.test_host_meta import PATH, named
from web.site import Site
from xmpp.data.jid import JID
from xmpp.server import Server
from xmpp.stream.tls.certificates import a_label

EVERY = pytest.mark.parametrize("domain", DOMAINS)
STARTTLS = (
    "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='{}' version='1.0'>"
    "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
)
INFO = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
ITEMS = "<query xmlns='http://jabber.org/protocol/disco#items'/>"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    domains = {"domains": ["localhost", *DOMAINS]}
    with web_server(tmp_path_factory.mktemp("site"), server=domains, web={"address": "https://{domain}"}) as site:
        for domain in DOMAINS:
            accounts.create(site.server, JID.of("romeo", domain), f"secret of {domain}")
        yield site


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with hosting(tmp_path, archive={"enabled": True}) as server:
        server.find_web_base = lambda domain: f"https://{a_label(domain)}"
        yield server


# -- certificates


def shown(sock: Any, name: str | None) -> x509.Certificate:
    """The certificate that is shown to a client that asks for this name, or for none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with closing(context.wrap_socket(sock, server_hostname=name)) as secured:
        return x509.load_der_x509_certificate(secured.getpeercert(binary_form=True) or b"")


def proceeding(site: Site, domain: str) -> Any:
    """A connection whose stream is for this domain, and where TLS may begin."""
    sock = socket.create_connection(("127.0.0.1", site.listener.ports["STARTTLS"]), PATIENCE)
    sock.sendall(STARTTLS.format(domain).encode())
    heard = b""
    while not (b"<proceed" in heard and heard.endswith(b">")):
        heard += sock.recv(1)
    return sock


@EVERY
@pytest.mark.parametrize("port", ["TLS", "HTTPS", "everything"])
def test_who_asks_for_a_domain_in_the_handshake_is_shown_its_certificate(site: Site, domain: str, port: str) -> None:
    for name in (a_label(domain), a_label(f"upload.{domain}")):
        sock = socket.create_connection(("127.0.0.1", site.listener.ports[port]), PATIENCE)
        assert shown(sock, name) == site.listener.certificates[domain].x509


@EVERY
@pytest.mark.parametrize("name", [None, "chat.example.org"])
def test_who_has_named_it_in_the_stream_alone_is_shown_it_too(site: Site, domain: str, name: str | None) -> None:
    assert shown(proceeding(site, domain), name) == site.listener.certificates[domain].x509


def test_the_domain_in_the_handshake_counts_where_both_are_ours(site: Site) -> None:
    assert shown(proceeding(site, A), B) == site.listener.certificates[B].x509


# -- logins


@EVERY
def test_people_log_in_at_their_own_domain(site: Site, domain: str) -> None:
    with Stream(site.server, domain=domain) as stream:
        stream.logs_in("romeo", f"secret of {domain}")
        assert stream.binds("x") == f"romeo@{domain}/x"
    for other in {*DOMAINS, "localhost"} - {domain}:
        with Stream(site.server, domain=domain) as stream:
            stream.open()
            assert stream.tries_password("romeo", f"secret of {other}") == "not-authorized"


@EVERY
@pytest.mark.parametrize("how", ["SCRAM-SHA-1", "SCRAM-SHA-256"])
def test_scram_knows_the_people_of_each_domain(site: Site, domain: str, how: str) -> None:
    with Stream(site.server, domain=domain) as stream:
        stream.open()
        assert stream.tries_scram(how, "romeo", f"secret of {domain}") == "success"


@EVERY
def test_accounts_are_made_at_the_domain_of_the_stream(site: Site, domain: str) -> None:
    with Stream(site.server, domain=domain) as stream:
        stream.open()
        query = "<query xmlns='jabber:iq:register'><username>{}</username><password>a long one</password></query>"
        other = B if domain == A else A
        assert stream.asks_iq(query.format(f"ariel@{other}")) == "not-acceptable"
        assert stream.asks_iq(query.format("ariel")) == "result"
        assert stream.tries_password("ariel", "a long one") == "success"
    with Stream(site.server, domain=other) as stream:
        stream.open()
        assert domain != A or stream.tries_password("ariel", "a long one") == "not-authorized"


# -- over HTTP


@EVERY
def test_each_domain_names_its_own_addresses_to_browsers(site: Site, domain: str) -> None:
    host = a_label(domain)
    for path in (PATH, f"{PATH}.json"):
        with browser(site, host=host) as connection:
            found = named(connection.ask("GET", path))
        assert set(found.values()) == {f"https://{host}/http-bind", f"wss://{host}/xmpp-websocket"}


@EVERY
def test_the_client_in_the_browser_is_for_the_domain_of_its_page(site: Site, domain: str) -> None:
    with browser(site, host=a_label(domain)) as connection:
        page = connection.ask("GET", "/chat").text
    settings = json.loads(unescape(re.findall(r'data-settings="([^"]*)"', page)[0]))
    assert (settings["default_domain"], settings["registration_domain"]) == (domain, domain)
    assert settings["muc_domain"] == f"rooms.{domain}"


def test_no_page_names_another_domain(site: Site) -> None:
    for domain in (A, B):
        for path in ("/", "/contact", "/chat", PATH):
            with browser(site, host=domain) as connection:
                text = connection.ask("GET", path).text
            assert not [other for other in {A, B, IDN, a_label(IDN)} - {domain} if other in text]


def test_a_host_that_is_nobodys_is_not_answered(site: Site) -> None:
    assert get(site, "/", Host="c.example").status == 421


# -- services


@EVERY
def test_each_domain_lists_its_own_services(server: Server, domain: str) -> None:
    for client in (online(server, f"juliet@{A}/x"), online(server, f"juliet@{B}/x")):
        listed = client.asks(ITEMS, to=domain)
        found = set(re.findall(r'jid="([^"]*)"', listed))
        assert found == {f"{label}.{domain}" for label in ("rooms", "pubsub", "upload")}


@EVERY
def test_files_have_addresses_at_the_domain_of_their_owner(server: Server, domain: str) -> None:
    juliet = online(server, f"juliet@{domain}/x")
    asked = "<request xmlns='urn:xmpp:http:upload:0' filename='x' size='5'/>"
    for service in DOMAINS:
        [slot] = re.findall(r'<get[^>]* url="([^"]*)"', juliet.asks(asked, to=f"upload.{service}"))
        assert slot.startswith(f"https://{a_label(domain)}/")


def test_commands_at_a_service_are_about_who_asks(server: Server) -> None:
    of_b = online(server, f"juliet@{B}/x")
    listed = ITEMS.replace("/>", " node='http://jabber.org/protocol/commands'/>")
    for domain in (A, B):
        assert "<item " in of_b.asks(listed, to=f"upload.{domain}")


def test_a_search_finds_the_people_of_ones_own_domain(server: Server) -> None:
    of_a = online(server, f"juliet@{A}/x")
    query = "<query xmlns='jabber:iq:search'><nick>romeo</nick></query>"
    found = of_a.asks(query, type="set", to=A)
    assert f"romeo@{A}" in found and B not in found
    assert of_a.asks(query, type="set", to=B) == "forbidden"
    assert of_a.asks("<query xmlns='jabber:iq:search'/>", to=B) == "forbidden"


def test_public_rooms_are_listed_where_they_are(server: Server) -> None:
    juliet = online(server, f"juliet@{A}/x")
    opened(juliet, "juliet", room=f"verona@rooms.{A}", publicroom=True)
    of_b = online(server, f"juliet@{B}/x")
    assert f"verona@rooms.{A}" in of_b.asks(ITEMS, to=f"rooms.{A}")
    assert "verona" not in of_b.asks(ITEMS, to=f"rooms.{B}")
    assert "juliet error" not in str(told(enter(of_b, "other", room=f"verona@rooms.{A}")))


# -- guests


def test_guests_reach_nobody_but_those_at_their_domain(server: Server) -> None:
    guest, of_a, of_b = (Client(server, each) for each in (f"romeo@{A}/g", f"juliet@{A}/x", f"juliet@{B}/x"))
    opened(of_a, "juliet", room=f"verona@rooms.{A}")
    opened(of_b, "juliet", room=f"verona@rooms.{B}")
    server.state(Guests).since[guest.account] = 0.0
    for to in (of_a, of_b):
        to.sends("<presence/>")
        to.received()
        answer = guest.sends(f"<message to='{to.jid}' type='chat' id='1'><body>hi</body></message>")
        assert bool(to.received()) == (to is of_a)
        assert ("forbidden" in str(answer)) == (to is of_b)
    assert "forbidden" in str(enter(guest, "guest", room=f"verona@rooms.{B}"))
    assert "forbidden" not in str(enter(guest, "guest", room=f"verona@rooms.{A}"))
    assert guest.asks(INFO, to=B) == "forbidden" and guest.asks(INFO, to=A) != "forbidden"
