"""What a connection over TLS leaves behind when it is over: nothing, neither memory nor anything to go on from."""

from __future__ import annotations

import ssl
from contextlib import suppress
from pathlib import Path

import pytest

from tests.harness.authority import Authority
from tests.harness.certificates import issue, key_pem, pem, write
from xmpp.stream.tls import contexts
from xmpp.stream.tls.client_hello import ClientHello
from xmpp.stream.tls.contexts import XMPP_SERVER
from xmpp.stream.tls.tls import ServerTLS, TLSSettings

PEERS = {"a client": ClientHello("example.org", ()), "a server": ClientHello("example.org", (XMPP_SERVER.encode(),))}
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def peer(folder: Path, version: ssl.TLSVersion) -> ssl.SSLContext:
    """Somebody who shows a certificate where that is asked for, and knows this version alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    context.load_cert_chain(write(folder / "peer.pem", pem(issue())), write(folder / "peer-key.pem", key_pem()))
    return context


def connection(
    server: ServerTLS, who: str, context: ssl.SSLContext, before: ssl.SSLSession | None = None
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """One in memory: our side, and the peer's, which would go on from an earlier session."""
    to_client = ssl.MemoryBIO()
    theirs = context.wrap_bio(to_client, server.incoming, session=before)
    ours = server.layer(PEERS[who], for_servers=who == "a server")
    for side in (theirs, ours, theirs, ours, theirs):
        with suppress(ssl.SSLWantReadError):
            side.do_handshake()
        to_client.write(server.outgoing.read())
    assert ours.version() == theirs.version() is not None
    return ours, theirs


@pytest.fixture
def server(tmp_path: Path) -> ServerTLS:
    """Both clients and servers are asked for certificates."""
    settings = TLSSettings(client_authorities={"example.org": Authority().write_root(tmp_path / "people.pem")})
    return ServerTLS(settings, {"example.org": []}, tmp_path / "certificates", with_servers=True)


@pytest.mark.parametrize("who", PEERS)
@pytest.mark.parametrize("version", VERSIONS)
def test_row_213_nothing_is_kept_of_a_handshake(
    server: ServerTLS, tmp_path: Path, who: str, version: ssl.TLSVersion
) -> None:
    context = peer(tmp_path, version)
    ours, theirs = connection(server, who, context)
    assert ours.getpeercert(binary_form=True)
    assert ours.context.session_stats()["number"] == 0
    again, _ = connection(server, who, context, theirs.session)
    assert not again.session_reused
    assert again.context.session_stats()["number"] == 0


def test_what_goes_on_from_an_earlier_session_has_no_tls_unique(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it may be where OpenSSL cannot be told to keep none."""
    monkeypatch.setattr(contexts, "keep_none", lambda context: None)
    server = ServerTLS(TLSSettings(), {"example.org": []}, tmp_path / "certificates")
    context = peer(tmp_path, ssl.TLSVersion.TLSv1_2)
    first, theirs = connection(server, "a client", context)
    assert "tls-unique" in server.channel_bindings(first)
    again, _ = connection(server, "a client", context, theirs.session)
    assert again.session_reused
    assert "tls-unique" not in server.channel_bindings(again)
