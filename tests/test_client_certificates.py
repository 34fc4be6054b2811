"""People who log in with a certificate (XEP-0178, SASL EXTERNAL)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from gevent import ssl
from lxml import etree

from db import accounts as account_records
from db.sqlite.database import Database
from handlers.admin import administration
from handlers.login import accounts, certificate_ends
from handlers.login.sasl import salted_keys
from tests.harness.authority import CLIENT, DAY, SERVER, Authority, Issued
from tests.harness.fast import request, token_in
from tests.harness.sasl2 import PHONE, SASL2, SM, Sasl2Stream, bind, bound, context, identifier
from tests.harness.streams import JULIET, SASL, Stream, listening_server, local_name, outcome
from xmpp.data.jid import JID
from xmpp.routing.session import Session
from xmpp.server import Server
from xmpp.stream.tls import any_certificate
from xmpp.stream.tls.certificates import CertificateError
from xmpp.stream.tls.client_certificates import MOST_BYTES, read_authorities
from xmpp.stream.tls.client_hello import ClientHello
from xmpp.stream.tls.tls import ServerTLS, TLSSettings

EXTERNAL = "EXTERNAL"
HERS = "juliet@localhost"
PING = "<ping xmlns='urn:xmpp:ping'/>"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@contextmanager
def server_with(folder: Path, authorities: Path | None) -> Iterator[Server]:
    """A server with juliet and mercutio, which asks clients for certificates of these authorities."""
    settings = TLSSettings(client_authorities={} if authorities is None else {"localhost": authorities})
    tls = ServerTLS(settings, {"localhost": []}, folder / "certificates", ("xmpp-client", "http/1.1"))
    with serving(folder, tls) as server:
        yield server


@contextmanager
def serving(folder: Path, tls: ServerTLS) -> Iterator[Server]:
    """The same with TLS that is set up already."""
    with listening_server(folder, Database, tls, archive={"enabled": True}, sasl={"tries": 5}) as server:
        accounts.create(server, JID.parse("mercutio@localhost"), "secret")
        yield server


@pytest.fixture
def server(tmp_path: Path, authority: Authority) -> Iterator[Server]:
    with server_with(tmp_path, authority.write_root(tmp_path / "people.pem")) as server:
        yield server


def showing(issued: Issued, folder: Path) -> ssl.SSLContext:
    """For a client that shows this certificate where it is asked for one."""
    folder = issued.write(folder / issued.fingerprint[:8])
    chosen = context()
    chosen.load_cert_chain(folder / "fullchain.pem", folder / "privkey.pem")
    return chosen


def hers(authority: Authority, **options: object) -> Issued:
    chosen = {"purposes": (CLIENT,), "xmpp_addresses": [HERS], **options}
    return authority.issue(**chosen)  # type: ignore[arg-type]


def offered(features: etree._Element) -> tuple[list[str | None], list[str | None]]:
    """The mechanisms of either profile."""
    older = features.findall(f"{{{SASL}}}mechanisms/{{{SASL}}}mechanism")
    newer = features.findall(f"{{{SASL2}}}authentication/{{{SASL2}}}mechanism")
    return [each.text for each in older], [each.text for each in newer]


def is_offered(server: Server, tls: ssl.SSLContext | None) -> bool:
    with Sasl2Stream(server, tls=tls) as stream:
        older, newer = offered(stream.open())
        assert older == newer
        return EXTERNAL in older


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("names", [{"xmpp_addresses": [HERS]}, {"xmpp_addresses": [], "emails": [HERS]}], ids=str)
def test_who_shows_a_certificate_is_offered_to_log_in_with_it_and_needs_no_password(
    server: Server, authority: Authority, tmp_path: Path, names: dict[str, list[str]], newest: ssl.TLSVersion
) -> None:
    with Sasl2Stream(server, tls=showing(hers(authority, **names), tmp_path), newest=newest) as stream:
        older, newer = offered(stream.open())
        assert older[0] == newer[0] == EXTERNAL  # the strongest
        success = stream.authenticates(EXTERNAL, b"", bind(tag="phone"))
        assert identifier(success).startswith(f"{HERS}/")
        bound(success)


def test_the_older_profile_has_it_too(server: Server, authority: Authority, tmp_path: Path) -> None:
    with Sasl2Stream(server, tls=showing(hers(authority), tmp_path)) as stream:
        stream.open()
        assert outcome(stream.begins(EXTERNAL, b"")) == "success"
        stream.open()
        assert stream.binds("balcony") == f"{HERS}/balcony"


def test_row_251_no_token_comes_with_it_which_would_be_good_for_longer(
    server: Server, authority: Authority, tmp_path: Path
) -> None:
    for has_password in (False, True):
        with Sasl2Stream(server, tls=showing(hers(authority), tmp_path)) as stream:
            stream.open()
            log_in = stream.tries_plain if has_password else partial(stream.authenticates, EXTERNAL, b"")
            assert (token_in(log_in(request(), PHONE)) is not None) is has_password


@pytest.mark.parametrize("profile", ["SASL", "SASL2"])
def test_the_first_message_may_be_asked_for(server: Server, authority: Authority, tmp_path: Path, profile: str) -> None:
    with Sasl2Stream(server, tls=showing(hers(authority), tmp_path)) as stream:
        stream.open()
        is_new = profile == "SASL2"
        challenge = stream.authenticates(EXTERNAL, None) if is_new else stream.begins(EXTERNAL)
        assert local_name(challenge) == "challenge" and not challenge.text
        answer = stream.answers(b"") if is_new else stream.responds(HERS.encode())
        assert local_name(answer) == "success"


def test_over_starttls_clients_are_asked_as_well(server: Server, authority: Authority, tmp_path: Path) -> None:
    with Stream(server) as stream:
        assert EXTERNAL not in offered(stream.open())[0]
        features = stream.starts_tls(showing(hers(authority), tmp_path))
        assert offered(features)[0][0] == EXTERNAL
        assert outcome(stream.begins(EXTERNAL, b"")) == "success"


def test_whose_name_is_on_the_list_decides_as_whom_he_logs_in(
    server: Server, authority: Authority, tmp_path: Path
) -> None:
    both = showing(hers(authority, xmpp_addresses=[HERS, "mercutio@localhost", "juliet@elsewhere.example"]), tmp_path)
    with Sasl2Stream(server, tls=both) as stream:
        stream.open()
        assert outcome(stream.authenticates(EXTERNAL, b"")) == "invalid-authzid"
        assert outcome(stream.authenticates(EXTERNAL, b"romeo@localhost")) == "invalid-authzid"
        assert outcome(stream.authenticates(EXTERNAL, b"juliet@elsewhere.example")) == "invalid-authzid"
        assert identifier(stream.authenticates(EXTERNAL, b"mercutio@localhost")) == "mercutio@localhost"


@pytest.mark.parametrize(
    ("authzid", "condition"),
    [
        (b"mercutio@localhost", "invalid-authzid"),
        (b"localhost", "invalid-authzid"),
        (b"@", "invalid-authzid"),
        (b"\xff", "malformed-request"),
    ],
)
def test_nobody_is_let_in_as_somebody_else(
    server: Server, authority: Authority, tmp_path: Path, authzid: bytes, condition: str
) -> None:
    with Sasl2Stream(server, tls=showing(hers(authority), tmp_path)) as stream:
        stream.open()
        assert outcome(stream.authenticates(EXTERNAL, authzid)) == condition
        assert identifier(stream.authenticates(EXTERNAL, HERS.encode())) == HERS


def test_who_claims_to_be_somebody_else_in_his_header_is_refused(
    server: Server, authority: Authority, tmp_path: Path
) -> None:
    with Sasl2Stream(server, tls=showing(hers(authority), tmp_path)) as stream:
        stream.claims = "mercutio@localhost"
        stream.open()
        assert outcome(stream.authenticates(EXTERNAL, b"")) == "invalid-authzid"


def test_addresses_of_xmpp_come_before_those_of_e_mail(server: Server, authority: Authority, tmp_path: Path) -> None:
    issued = hers(authority, xmpp_addresses=["mercutio@localhost"], emails=[HERS])
    with Sasl2Stream(server, tls=showing(issued, tmp_path)) as stream:
        stream.open()
        assert identifier(stream.authenticates(EXTERNAL, b"")) == "mercutio@localhost"


def test_row_221_without_a_password_nobody_gives_an_account_keys(
    server: Server, authority: Authority, tmp_path: Path
) -> None:
    """They would be a new password, by which he could come back when the certificate is gone."""
    salted = salted_keys.derive("secret", 4096, ["sha-1"])
    account_records.set_credentials(server.db, JULIET, salted)
    wanted = "<upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-256</upgrade>"
    with Sasl2Stream(server, tls=showing(hers(authority), tmp_path)) as stream:
        stream.open()
        assert identifier(stream.authenticates(EXTERNAL, b"", wanted)) == HERS
    assert account_records.hashes(server.db, JULIET) == {"sha-1"}


def test_there_has_to_be_such_an_account_and_it_may_not_be_disabled(
    server: Server, authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    with Sasl2Stream(server, tls=showing(hers(authority, xmpp_addresses=["nobody@localhost"]), tmp_path)) as stream:
        stream.open()
        assert outcome(stream.authenticates(EXTERNAL, b"")) == "not-authorized"
    assert any("as nobody@localhost: no such account" in each for each in caplog.messages)
    administration.carry_out(server, "disable", account=HERS)
    with Sasl2Stream(server, tls=showing(hers(authority), tmp_path)) as stream:
        stream.open()
        assert outcome(stream.authenticates(EXTERNAL, b"")) == "account-disabled"


# -- when it expires


@pytest.fixture
def has_expired(monkeypatch: pytest.MonkeyPatch) -> None:
    """For sessions it is as late as that."""
    later = SimpleNamespace(time=lambda: time.time() + 365 * DAY.total_seconds())
    monkeypatch.setattr(certificate_ends, "time", later)


def test_row_251_a_session_ends_with_the_certificate_by_which_it_began(
    server: Server, authority: Authority, tmp_path: Path, has_expired: None
) -> None:
    with Sasl2Stream(server, tls=showing(hers(authority), tmp_path)) as stream:
        stream.open()
        bound(stream.authenticates(EXTERNAL, b"", bind(f"<enable xmlns='{SM}' resume='true'/>"), PHONE))
        assert stream.last_words()[-1] == "reset"
    assert not server.online.sessions(JULIET)  # nor does it wait to be resumed


def test_until_then_it_goes_on_and_one_that_began_with_a_password_goes_on_for_longer(
    server: Server, authority: Authority, tmp_path: Path, has_expired: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sasl2Stream(server, tls=showing(hers(authority), tmp_path)) as stream:
        stream.open()
        bound(stream.tries_plain(bind()))
        stream.receives()
        assert stream.asks_iq(PING, "get") == "result"
    monkeypatch.undo()
    with Sasl2Stream(server, tls=showing(hers(authority), tmp_path)) as stream:
        stream.open()
        bound(stream.authenticates(EXTERNAL, b"", bind()))
        stream.receives()
        assert stream.asks_iq(PING, "get") == "result"


def test_the_soonest_of_the_chain_is_what_counts(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    short = Authority(ends=now + DAY)
    known = read_authorities(short.write_root(tmp_path / "people.pem"))
    until = known.verify(hers(short).der).until
    assert until == short.intermediate.not_valid_after_utc.timestamp() < (now + 2 * DAY).timestamp()


def test_who_resumes_a_session_with_the_password_has_it_for_longer(
    server: Server, authority: Authority, tmp_path: Path
) -> None:
    with Sasl2Stream(server, tls=showing(hers(authority), tmp_path)) as stream:
        stream.open()
        success = stream.authenticates(EXTERNAL, b"", bind(f"<enable xmlns='{SM}' resume='true'/>"))
        enabled = bound(success).find(f"{{{SM}}}enabled")
        assert enabled is not None
        [session] = server.online.sessions(JULIET)
        assert ends_by_itself(session)
    with Sasl2Stream(server) as stream:
        stream.open()
        stream.tries_plain(f"<resume xmlns='{SM}' h='0' previd='{enabled.get('id')}'/>")
        assert list(server.online.sessions(JULIET)) == [session] and not ends_by_itself(session)


def test_of_a_session_that_has_ended_nothing_is_left(server: Server, authority: Authority, tmp_path: Path) -> None:
    with Sasl2Stream(server, tls=showing(hers(authority), tmp_path)) as stream:
        stream.open()
        stream.authenticates(EXTERNAL, b"", bind())
        [session] = server.online.sessions(JULIET)
        assert ends_by_itself(session)
        session.close()
        assert not ends_by_itself(session)


def ends_by_itself(session: Session) -> bool:
    end = session.state(certificate_ends.End)
    return end is not None and end.timer is not None


# -- who is not offered it


def test_row_222_what_does_not_verify_counts_for_nothing_and_the_log_says_why(
    server: Server, authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    now = datetime.now(UTC)
    bad = {
        "it has expired, on": hers(authority, ends=now - DAY),
        "it is not valid before": hers(authority, begins=now + DAY),
        "it is not meant for clients": hers(authority, purposes=(SERVER,)),
        "issued by CN=Nobody's intermediate": hers(Authority("Nobody")),
        "candidates exhausted": hers(authority, has_chain=False),
        "it is not accepted": hers(authority, is_self_signed=True),
        "it is for nobody at localhost": hers(authority, xmpp_addresses=["juliet@elsewhere.example", "localhost"]),
    }
    for reason, issued in bad.items():
        caplog.clear()
        with Sasl2Stream(server, tls=showing(issued, tmp_path)) as stream:
            assert EXTERNAL not in offered(stream.open())[0]
            [line] = [each for each in caplog.messages if each.startswith("nobody can log in by the certificate")]
            assert reason in line
            assert outcome(stream.authenticates(EXTERNAL, b"")) == "invalid-mechanism"
            assert identifier(stream.tries_plain()) == HERS  # the password still counts


def test_row_222_what_an_authority_may_issue_for_some_names_only_counts_for_nobody(tmp_path: Path) -> None:
    limited = Authority(only_beneath="elsewhere.example")
    with server_with(tmp_path, limited.write_root(tmp_path / "people.pem")) as server:
        assert not is_offered(server, showing(hers(limited), tmp_path))


def test_row_222_who_has_shown_no_certificate_is_not_offered_it(server: Server) -> None:
    assert not is_offered(server, None)
    with Sasl2Stream(server) as stream:
        stream.open()
        assert outcome(stream.authenticates(EXTERNAL, HERS.encode())) == "invalid-mechanism"


def test_where_no_authority_is_configured_nobody_is_asked(tmp_path: Path, authority: Authority) -> None:
    with server_with(tmp_path, None) as server:
        assert not is_offered(server, showing(hers(authority), tmp_path))


@pytest.mark.parametrize(
    ("protocols", "is_asked"),
    [((), True), ((b"xmpp-client",), True), ((b"h2", b"http/1.1"), False), ((b"http/1.1",), False)],
    ids=str,
)
@pytest.mark.parametrize("name", ["localhost", "xmpp.hosting.example", None])
def test_who_speaks_http_is_not_asked(
    authority: Authority, tmp_path: Path, name: str | None, protocols: tuple[bytes, ...], is_asked: bool
) -> None:
    """Browsers would ask their people which certificate they want to show."""
    settings = TLSSettings(client_authorities={"localhost": authority.write_root(tmp_path / "people.pem")})
    tls = ServerTLS(settings, {"localhost": []}, tmp_path / "certificates", ("xmpp-client", "http/1.1"))
    mode = tls.layer(ClientHello(name, protocols)).context.verify_mode
    assert (mode == ssl.CERT_OPTIONAL) is is_asked


def test_each_domain_has_authorities_of_its_own(authority: Authority, tmp_path: Path) -> None:
    settings = TLSSettings(client_authorities={"localhost": authority.write_root(tmp_path / "people.pem")})
    services: dict[str, list[str]] = {"localhost": [], "elsewhere.example": []}
    tls = ServerTLS(settings, services, tmp_path / "certificates")
    assert tls.client_authorities("localhost") is not None
    assert tls.client_authorities("elsewhere.example") is None
    assert tls.layer(ClientHello("elsewhere.example", ())).context.verify_mode == ssl.CERT_NONE


def test_a_reload_reads_them_anew(authority: Authority, tmp_path: Path) -> None:
    tls = ServerTLS(TLSSettings(), {"localhost": []}, tmp_path / "certificates")
    assert tls.layer(ClientHello("localhost", ())).context.verify_mode == ssl.CERT_NONE
    path = authority.write_root(tmp_path / "people.pem")
    tls.reload(TLSSettings(client_authorities={"localhost": path}), {"localhost": []})
    assert tls.layer(ClientHello("localhost", ())).context.verify_mode == ssl.CERT_OPTIONAL
    tls.reload(TLSSettings(), {"localhost": []})
    assert tls.layer(ClientHello("localhost", ())).context.verify_mode == ssl.CERT_NONE


@pytest.mark.parametrize("is_current", [True, False])
def test_row_222_what_was_revoked_counts_for_nothing(
    authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture, is_current: bool
) -> None:
    caplog.set_level("INFO")
    lost, found = hers(authority), hers(authority)
    until = datetime.now(UTC) + (DAY if is_current else -DAY)
    path = authority.write_root(tmp_path / "people.pem")
    path.write_bytes(
        path.read_bytes() + authority.intermediate.public_bytes(Encoding.PEM) + authority.revoke(lost, until=until)
    )
    with server_with(tmp_path, path) as server:
        assert not is_offered(server, showing(lost, tmp_path))
        assert "has been revoked" in caplog.messages[-1]
        assert is_offered(server, showing(found, tmp_path)) is is_current
        if not is_current:
            assert "is no longer current since" in caplog.messages[-1]


@pytest.mark.parametrize("is_new", [True, False])
def test_row_222_what_is_revoked_after_it_was_shown_lets_nobody_in(
    authority: Authority, tmp_path: Path, is_new: bool
) -> None:
    lost, path = hers(authority), authority.write_root(tmp_path / "people.pem")
    settings = TLSSettings(client_authorities={"localhost": path})
    tls = ServerTLS(settings, {"localhost": []}, tmp_path / "certificates")
    shown = showing(lost, tmp_path)
    with serving(tmp_path, tls) as server, (Sasl2Stream if is_new else Stream)(server, tls=shown) as stream:
        assert EXTERNAL in offered(stream.open())[0]
        revoked = authority.intermediate.public_bytes(Encoding.PEM) + authority.revoke(lost)
        path.write_bytes(path.read_bytes() + revoked)
        tls.reload(settings, {"localhost": []})
        tried = stream.authenticates(EXTERNAL, b"") if isinstance(stream, Sasl2Stream) else stream.begins(EXTERNAL, b"")
        assert outcome(tried) == "not-authorized"


def test_where_certificates_cannot_be_taken_nobody_is_asked_and_the_log_says_so(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(any_certificate, "SET_CALLBACK", "SSL_CTX_no_such_function")
    with server_with(tmp_path, authority.write_root(tmp_path / "people.pem")) as server:
        assert any(each.startswith("clients cannot be asked for their certificates") for each in caplog.messages)
        assert not is_offered(server, showing(hers(authority), tmp_path))


# -- the file of the authorities


def test_whose_certificates_do_not_count_any_more_is_in_the_log_from_the_start(
    authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    now = datetime.now(UTC)
    expired = Authority("Old", ends=now - DAY)
    path = tmp_path / "people.pem"
    certificates = (expired.intermediate, authority.intermediate)
    path.write_bytes(
        b"".join(each.public_bytes(Encoding.PEM) for each in certificates) + authority.revoke(until=now - DAY)
    )
    ServerTLS(TLSSettings(client_authorities={"localhost": path}), {"localhost": []}, tmp_path)
    yesterday = f"{now - DAY:%Y-%m-%d}"
    assert [each for each in caplog.messages if each.startswith("certificates for clients")] == [
        f"certificates for clients by CN=Old's intermediate do not count: its own expired on {yesterday}.",
        "certificates for clients by CN=Root's intermediate do not count: the list of those that it has revoked is no "
        f"longer current since {yesterday}.",
    ]


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, authority: Authority) -> None:
    path = tmp_path / "people.pem"
    with pytest.raises(CertificateError, match=r"people\.pem: cannot be read: No such file"):
        read_authorities(path)
    path.write_text("nothing of that kind")
    with pytest.raises(CertificateError, match=r"people\.pem: holds no certificates"):
        read_authorities(path)
    authority.write_root(path)
    path.write_bytes(path.read_bytes() + authority.revoke())  # by the intermediate, which is not in it
    with pytest.raises(CertificateError, match="list of CN=Root's intermediate is signed by no authority"):
        read_authorities(path)
    path.write_bytes(bytes(MOST_BYTES + 1))
    with pytest.raises(CertificateError, match="and may have"):
        read_authorities(path)
    with pytest.raises(CertificateError, match=r"\[tls\] client_authorities: elsewhere\.example is not known here"):
        ServerTLS(TLSSettings(client_authorities={"elsewhere.example": path}), {"localhost": []}, tmp_path)
