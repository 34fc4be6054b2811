"""What `config check` finds beyond single values; a server stops where going on would be wrong, else its log warns."""

import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

import assembly
from tests.harness.authority import Authority, Issued
from tests.harness.certificates import DAY, NOW, RSA_KEY, issue, key_pem, pem, write
from tests.harness.commandline import complaint, configured, running, xserv
from xmpp import config_review
from xmpp.config.configuration import ConfigError, entries_of
from xmpp.config.contradictions import contradictions
from xmpp.stream.tls.certificates import read_certificate


def told(tmp_path: Path, text: str) -> str:
    """The sentence that stops a server, without the name of the file."""
    path = tmp_path / "xserv.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        assembly.read_configuration(path)
    return str(caught.value).removeprefix(f"{path}: ")


def unwise(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "xserv.toml"
    path.write_text(text)
    return config_review.unwise(assembly.read_configuration(path), path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "[listen]\naddresses = ['nonsense']",
            '[listen] addresses: expected IP addresses, such as 127.0.0.1, ::1, or :: for all, found ["nonsense"].',
        ),
        (
            "[listen]\naddresses = ['127.0.0.256']",
            '[listen] addresses: expected IP addresses, such as 127.0.0.1, ::1, or :: for all, found ["127.0.0.256"].',
        ),
        (
            "[listen]\naddresses = []",
            "[listen] addresses: expected at least one address, or nobody could connect, found [].",
        ),
        (
            "[listen]\naddresses = ['::1', '0:0::1']",
            '[listen] addresses: expected each address once, found ["::1", "0:0::1"].',
        ),
        (
            "[listen]\naddresses = ['0.0.0.0', '::']",
            "[listen] addresses: expected no 0.0.0.0 beside ::, which is all addresses and so has it already, "
            'found ["0.0.0.0", "::"].',
        ),
        (
            "[listen]\nport = 5222\ntls_port = 5222",
            "[listen]: port and tls_port are both 5222; expected different ports, or -1 for none.",
        ),
        (
            "[listen]\nport = 5223",
            "[listen]: port and tls_port are both 5223; expected different ports, or -1 for none.",
        ),
        (
            "[listen]\nport = -1\ntls_port = -1\nhttps_port = -1",
            "[listen]: all ports for clients are -1, so nobody could connect; expected one of them at least.",
        ),
        (
            "[listen]\nproxied = ['tls_port']\ntrusted_proxies = []",
            "[listen]: proxied names ports, and there are no trusted_proxies, so nobody could connect there.",
        ),
        (
            "[sasl]\nmechanisms = []",
            "[sasl] mechanisms: expected at least one mechanism, or nobody could log in, found [].",
        ),
        ("[sasl]\nmechanisms = ['PLAIN', 'PLAIN']", "[sasl] mechanisms: expected each mechanism once, found "),
        (
            "[server]\ndomains = ['example.org', 'pubsub.example.org']",
            "[server] domains: expected domains that are no services, found pubsub.example.org, where a service of "
            "example.org answers; leave it out.",
        ),
        (
            "[server]\ndomains = ['pubsub.example.org', 'example.org']",
            "[server] domains: expected domains that are no services, found pubsub.example.org",
        ),
        (
            "[server]\ndomains = ['example.org', 'example.org']",
            '[server] domains: expected each domain once, found ["example.org", "example.org"].',
        ),
        (
            "[server]\ndomains = ['example.org', 'EXAMPLE.org']",
            "[server] domains: expected domains as they stand in addresses, such as example.org, found ",
        ),
        (
            "[server]\ndomains = ['münchen.example', 'xn--mnchen-3ya.example']",
            "[server] domains: expected domains as they stand in addresses, such as münchen.example, found ",
        ),
        (
            "[server]\nadministrators = ['Romeo@example.org']",
            "[server] administrators: expected addresses of accounts as they are normalised, such as romeo@example.org",
        ),
        (
            "[server]\nadministrators = ['example.org']",
            "[server] administrators: expected addresses of accounts as they are normalised, such as romeo@example.org",
        ),
        (
            "[tls.certificates]\n'münchen.example' = 'a.pem'\n'xn--mnchen-3ya.example' = 'b.pem'",
            "[tls] certificates: expected each domain once, however it is written, found ",
        ),
        (
            "[tls.certificates]\n'example.org' = 'a.pem'\n'Example.org' = 'b.pem'",
            "[tls] certificates: expected each domain once, however it is written, found ",
        ),
        (
            "[streams]\nunsent_bytes = 1000000000000",
            "[streams] unsent_bytes: expected a whole number from 65536 to 1073741824, found 1000000000000.",
        ),
        (
            "[[external_services.services]]\ntype = 'turn'\nhost = 'turn.example.org'\nname = \"\\u0001\"",
            "[external_services] services #1 name: expected a text without control characters, found ",
        ),
        ('[version]\nname = "\\u0007"', "[version] name: expected a text without control characters, found "),
        ('[disco]\nadmin = ["xmpp:\\u0007"]', "[disco] admin: expected a text without control characters, found "),
    ],
)
def test_what_cannot_be_served_is_told_with_what_was_expected(tmp_path: Path, text: str, sentence: str) -> None:
    assert told(tmp_path, text).startswith(sentence)


@pytest.mark.parametrize(
    "host",
    ["", "turn.example.org:3478", "turn:turn.example.org", "a..b", ":::", "1.2.3.4.5", "300.1.1.1", "-a.org", "a" * 64],
)
def test_a_host_that_is_none_is_no_external_service(tmp_path: Path, host: str) -> None:
    sentence = told(tmp_path, f"[[external_services.services]]\ntype = 'turn'\nhost = '{host}'")
    assert sentence == (
        "[external_services] services #1 host: expected the name or the IP address of a host alone; "
        f'its port is a setting of its own, found "{host}".'
    )


@pytest.mark.parametrize("host", ["turn.example.org", "turn.example.org.", "192.0.2.1", "2001:db8::1", "turn_1", "9.a"])
def test_a_host_by_name_or_address_is_an_external_service(tmp_path: Path, host: str) -> None:
    assert unwise(tmp_path, f"[[external_services.services]]\ntype = 'turn'\nhost = '{host}'") == []


@pytest.mark.parametrize("addresses", [["0.0.0.0", "::1"], ["127.0.0.1", "::1"], ["::"], ["fe80::1%eth0"]])
def test_addresses_that_go_together_are_listened_on(tmp_path: Path, addresses: list[str]) -> None:
    assert unwise(tmp_path, f"[listen]\naddresses = {addresses}") == []


def test_every_number_has_a_least_and_a_greatest_value() -> None:
    unbounded = [
        f"[{section.name}] {entry.key}"
        for section in assembly.sections()
        for each in (section.entries, *(entries_of(entry.table) for entry in section.entries.values() if entry.table))
        for entry in each.values()
        if {int, float} & {entry.type, *get_args(entry.type)} and None in (entry.rule.minimum, entry.rule.maximum)
    ]
    assert unbounded == []


BOUNDED = [
    (section, entry, *(bound.rpartition(".")[::2]))
    for section in assembly.sections()
    for entry in section.entries.values()
    for bound in entry.rule.at_most
]


@pytest.mark.parametrize(
    ("section", "entry", "of", "bound"), BOUNDED, ids=lambda each: getattr(each, "name", getattr(each, "key", each))
)
def test_settings_that_contradict_each_other_are_found(
    tmp_path: Path, section: Any, entry: Any, of: str, bound: str
) -> None:
    sections: Any = {each.name: each for each in assembly.sections()}
    least = int(sections[of or section.name].entries[bound].rule.minimum)
    value = max(least + 1, int(entry.rule.minimum))
    text = f"{of or section.name}.{bound} = {least}\n{section.name}.{entry.key} = {value}\n"
    assert any(
        f"[{section.name}] {entry.key}: expected at most {least} ([{of or section.name}] {bound}), "
        f"found {value} ([{section.name}] {entry.key})." == each
        for each in unwise(tmp_path, text)
    )


def test_the_defaults_contradict_nothing() -> None:
    assert list(contradictions(assembly.read_configuration(None))) == []


def test_a_default_that_another_setting_contradicts_is_found(tmp_path: Path) -> None:
    assert unwise(tmp_path, "[archive]\nmax_page_messages = 20") == [
        "[archive] page_messages: expected at most 20 ([archive] max_page_messages), "
        "found 50 ([archive] page_messages by default)."
    ]
    assert unwise(tmp_path, "[archive]\nenabled = false\nmax_page_messages = 20") == []


def test_settings_of_what_is_not_switched_on_are_found(tmp_path: Path) -> None:
    assert unwise(tmp_path, "[register]\nopen = true") == [
        "[register] open has no effect, since [register] enabled is false by default; set enabled = true too."
    ]
    assert unwise(tmp_path, "[register]\nenabled = false\nopen = true") == []


def test_a_secret_that_everybody_can_read_is_found(tmp_path: Path) -> None:
    text = "[[external_services.services]]\ntype = 'turn'\nhost = 'turn.example.org'\nsecret = 'wherefore'"
    configured(tmp_path, text).chmod(0o600)
    assert unwise(tmp_path, text) == []
    (tmp_path / "xserv.toml").chmod(0o644)
    assert unwise(tmp_path, text) == [
        "everybody on this machine can read this file, and it holds a secret; chmod 600 closes it."
    ]
    assert "wherefore" not in "".join(unwise(tmp_path, text))


# -- certificates


CLOSED = "[federation]\nmode = 'closed'\n"


def with_certificate(tmp_path: Path, content: bytes, more: str = "") -> Path:
    write(tmp_path / "both.pem", content)
    return configured(tmp_path, f"{more}[server]\ndomains = ['example.org']\n"
                                "[tls.certificates]\n'example.org' = 'both.pem'\n")  # fmt: skip


def with_issued(tmp_path: Path, issued: Issued, more: str) -> Path:
    issued.write(tmp_path / "issued")
    return configured(tmp_path, f"{more}[server]\ndomains = ['example.org']\n"
                                "[tls.certificates]\n'example.org' = 'issued'\n")  # fmt: skip


@pytest.mark.parametrize(
    ("leaf", "doubt"),
    [
        (issue(ends=NOW - DAY), "the certificate for example.org expired on "),
        (issue(ends=NOW + 5 * DAY), "the certificate for example.org is not valid before "),
        (issue(names=["other.example"]), "the certificate does not name example.org."),
    ],
    ids=["expired", "not yet valid", "of another name"],
)
def test_a_certificate_that_clients_refuse_fails_the_check_and_is_a_warning_to_a_server(
    tmp_path: Path, leaf: Any, doubt: str
) -> None:
    path = with_certificate(tmp_path, pem(leaf) + key_pem())
    assert complaint("config", "check", path).startswith(f"{path}: {tmp_path}/both.pem: {doubt}")
    with running(tmp_path) as server:  # others' clients may still take it, and people would be cut off
        assert any("WARNING" in line and f"both.pem: {doubt}" in line for line in server.said)


def test_a_key_that_does_not_fit_stops_both(tmp_path: Path) -> None:
    path = with_certificate(tmp_path, pem(issue()) + key_pem(RSA_KEY))
    sentence = f"{path}: {tmp_path}/both.pem: the key does not belong to the certificate in {tmp_path}/both.pem."
    assert complaint("config", "check", path) == sentence
    assert complaint("run", "--data", tmp_path) == sentence


def test_a_key_that_is_too_weak_for_tls_is_found(tmp_path: Path) -> None:
    weak = rsa.generate_private_key(65537, 1024)
    path = with_certificate(tmp_path, pem(issue(weak)) + key_pem(weak))
    assert complaint("config", "check", path).startswith(f"{path}: {tmp_path}/both.pem: cannot be used for TLS: ")


@pytest.mark.parametrize(
    ("file_mode", "folder_mode", "is_noted"), [(0o644, 0o755, True), (0o600, 0o755, False), (0o644, 0o700, False)]
)
def test_a_key_that_everybody_can_read_is_noted(file_mode: int, folder_mode: int, is_noted: bool) -> None:
    with TemporaryDirectory() as name:  # the folders of tests are closed
        folder = Path(name)
        if not all(each.stat().st_mode & 0o001 for each in folder.parents):
            pytest.skip("temporary folders lie in a closed one")
        path = with_certificate(folder, pem(issue()) + key_pem())
        (folder / "both.pem").chmod(file_mode)
        folder.chmod(folder_mode)
        said = xserv("config", "check", path).stderr
        assert (f"{folder}/both.pem: everybody on this machine can read the key; chmod 600" in said) == is_noted


def test_a_self_signed_certificate_is_fine_and_noted(tmp_path: Path) -> None:
    path = with_certificate(tmp_path, pem(issue()) + key_pem())
    done = xserv("config", "check", path)
    assert (done.returncode, done.stdout) == (0, f"{path} is fine.\n")
    assert f"{tmp_path}/both.pem: the certificate for example.org is self-signed" in done.stderr


def test_the_certificate_that_a_new_server_makes_names_its_services(tmp_path: Path) -> None:
    configured(tmp_path, "[server]\ndomains = ['example.org']\n")
    with running(tmp_path):
        leaf = read_certificate(tmp_path / "certificates" / "example.org.pem").x509
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    services = ("pubsub", "rooms", "upload")
    assert names.get_values_for_type(x509.DNSName) == ["example.org", *(f"{each}.example.org" for each in services)]


def test_services_that_a_certificate_does_not_name_are_noted_where_there_are_no_other_servers(tmp_path: Path) -> None:
    path = with_certificate(tmp_path, pem(issue(names=["example.org"])) + key_pem(), CLOSED)
    assert "the certificate for example.org does not name pubsub.example.org" in xserv("config", "check", path).stderr
    with_certificate(tmp_path, pem(issue(names=["example.org", "*.example.org"])) + key_pem(), CLOSED)
    assert "does not name" not in xserv("config", "check", path).stderr


def noted(path: Path) -> list[str]:
    """What is said of the certificates of a configuration that is fine."""
    done = xserv("config", "check", path)
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()


def test_names_that_other_servers_would_look_for_in_vain_are_noted(tmp_path: Path) -> None:
    authority = Authority()
    trusted = f"[federation]\nauthorities = '{authority.write_root(tmp_path / 'roots.pem')}'\n"
    path = with_issued(tmp_path, authority.issue("example.org"), trusted)
    sentence = (
        f"{tmp_path}/issued/fullchain.pem: the certificate does not name pubsub.example.org, rooms.example.org, "
        "upload.example.org: other servers do not connect there, and refuse what comes from there."
    )
    assert sentence in noted(path)
    with running(tmp_path) as server:
        assert any("WARNING" in line and line.endswith(sentence) for line in server.said)
        authority.issue("example.org", "*.example.org").write(tmp_path / "issued")
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("configuration and certificates reloaded")
        authority.issue("example.org", "*.example.net").write(tmp_path / "issued")
        server.process.send_signal(signal.SIGHUP)
        server.wait_for(sentence)
    components = f"[components.secrets]\n'irc.example.org' = '{'5' * 40}'\n'bot.example.net' = '{'6' * 40}'\n"
    with_issued(tmp_path, authority.issue("example.org", "*.example.org"), trusted + components)
    path.chmod(0o600)
    assert [line.partition("fullchain.pem: ")[2] for line in noted(path) if "does not name" in line] == [
        "the certificate does not name bot.example.net: other servers do not connect there, and refuse what comes from "
        "there."
    ]
    with_issued(tmp_path, authority.issue("example.org", "*.example.org"), trusted)
    assert not [line for line in noted(path) if "other servers" in line]
    with_issued(tmp_path, authority.issue("example.org"), trusted + "mode = 'closed'\n")
    assert not [line for line in noted(path) if "other servers" in line]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("for clients", "it is not meant for servers (serverAuth)."),
        ("without intermediate", "it comes without that of its issuer, or from an authority that is not trusted here: "
                                 "Root's intermediate."),
        ("unknown authority", "it is from an authority that is not trusted here: Nobody's root."),
        ("self-signed", "it is self-signed."),
    ],
)  # fmt: skip
def test_a_certificate_that_other_servers_refuse_is_noted_with_the_reason(
    tmp_path: Path, kind: str, reason: str
) -> None:
    authority = Authority()
    trusted = f"[federation]\nauthorities = '{authority.write_root(tmp_path / 'roots.pem')}'\n"
    said = noted(with_issued(tmp_path, authority.case(kind, "example.org"), trusted))
    assert f"{tmp_path}/issued/fullchain.pem: other servers refuse the certificate: {reason}" in said


@pytest.mark.parametrize(
    ("domain", "mode", "is_told"),
    [("example.org", "auto", True), ("localhost", "auto", False), ("192.0.2.1", "auto", False),
     ("localhost", "open", True), ("example.org", "closed", False)],
)  # fmt: skip
def test_that_other_servers_refuse_what_is_self_signed_is_told_where_they_can_be_met(
    tmp_path: Path, domain: str, mode: str, is_told: bool
) -> None:
    path = configured(tmp_path, f"[server]\ndomains = ['{domain}']\n[federation]\nmode = '{mode}'\n")
    assert any("other servers refuse it" in line for line in noted(path)) is is_told


def test_a_server_warns_that_others_refuse_the_certificate_that_it_has_made(tmp_path: Path) -> None:
    configured(tmp_path, "[server]\ndomains = ['example.org']\n")
    with running(tmp_path) as server:
        refused = f"{tmp_path}/certificates/example.org.pem: other servers refuse the certificate: it is self-signed."
        assert any("WARNING" in line and line.endswith(refused) for line in server.said)


@pytest.mark.parametrize(
    "setting", ["[federation]\nauthorities = 'missing.pem'\n", "[tls.client_authorities]\nlocalhost = 'missing.pem'\n"]
)
def test_authorities_that_cannot_be_read_fail_the_check(tmp_path: Path, setting: str) -> None:
    path = configured(tmp_path, setting)
    missing = f"{tmp_path}/missing.pem: cannot be read: No such file or directory."
    assert complaint("config", "check", path) == f"{path}: {missing}"


def test_a_domain_without_a_certificate_is_fine_and_noted(tmp_path: Path) -> None:
    done = xserv("config", "check", configured(tmp_path))
    assert done.returncode == 0
    assert done.stderr.startswith("localhost: no certificate in [tls] certificates, so the server makes a self-signed")


def test_contradictions_fail_the_check_and_are_warnings_to_a_server(tmp_path: Path) -> None:
    path = configured(tmp_path, "[register]\nopen = true\n[archive]\npage_messages = 200\n")
    done = xserv("config", "check", path)
    assert done.returncode == 1
    assert "[register] open has no effect" in done.stderr
    assert "[archive] page_messages: expected at most 100" in done.stderr
    with running(tmp_path) as server:
        assert any("WARNING" in line and f"{path}: [register] open has no effect" in line for line in server.said)


def test_how_long_a_certificate_is_valid_is_in_the_log(tmp_path: Path) -> None:
    ends = datetime.now(UTC) + timedelta(days=40, hours=1)
    with_certificate(tmp_path, pem(issue(ends=ends)) + key_pem())
    with running(tmp_path) as server:
        [line] = [line for line in server.said if "INFO" in line and "certificate for example.org" in line]
    assert line.endswith(f"both.pem, valid until {ends:%Y-%m-%d}, 40 days left")
