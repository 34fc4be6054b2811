"""What is wrong, unwise or worth knowing about the components of a configuration."""

import re
from pathlib import Path

import pytest

import assembly
from tests.harness.commandline import xserv
from tests.harness.servers import ROOT
from xmpp import config_review
from xmpp.config.component_settings import belonging_to, home
from xmpp.config.configuration import ConfigError

SECRET = "a secret that is long enough"
CHECKED = "[server]\ndomains = ['example.org']\n[components]\nsecrets = {{'{}' = '{}'}}\n"


def written(folder: Path, domain: str = "bridge.example.org", secret: str = SECRET, more: str = "") -> Path:
    file = folder / "xserv.toml"
    file.write_text(CHECKED.format(domain, secret) + more)
    return file


def unwise(file: Path) -> list[str]:
    file.chmod(0o600)
    return config_review.unwise(assembly.read_configuration(file), file)


@pytest.mark.parametrize(
    ("domain", "secret", "sentence"),
    [
        ("bridge.example.org", "", "expected a secret for bridge.example.org"),
        ("a@example.org", SECRET, "expected domains of components as they stand in addresses, such as example.org"),
        ("Bridge.Example.org", SECRET, "such as bridge.example.org"),
        ("a@@b", SECRET, "expected domains of components, such as bridge.example.org"),
        ("example.org", SECRET, "expected domains that have no accounts, found example.org"),
    ],
)
def test_what_cannot_be_a_component_stops_the_server(tmp_path: Path, domain: str, secret: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        assembly.read_configuration(written(tmp_path, domain, secret))
    assert "[components] secrets: " in str(caught.value)
    assert sentence in str(caught.value)
    assert not secret or secret not in str(caught.value)


def test_a_short_secret_is_unwise(tmp_path: Path) -> None:
    [doubt] = unwise(written(tmp_path, secret="jabber"))
    assert doubt.startswith("[components] secrets: that of bridge.example.org is short, so it could be guessed;")
    assert "jabber" not in doubt
    assert unwise(written(tmp_path)) == []


@pytest.mark.parametrize(
    ("address", "is_wise"), [("127.0.0.2", True), ("::1", True), ("::", False), ("10.0.0.1", False)]
)
def test_an_address_that_others_reach_is_unwise(tmp_path: Path, address: str, is_wise: bool) -> None:
    doubts = unwise(written(tmp_path, more=f"addresses = ['{address}']"))
    assert (doubts == []) == is_wise
    assert is_wise or "components have no TLS" in doubts[0]


def test_the_check_lists_components_and_whose_place_they_take(tmp_path: Path) -> None:
    file = tmp_path / "xserv.toml"
    file.write_text(
        "[server]\ndomains = ['example.org']\n[components.secrets]\n"
        f"'bridge.example.org' = '{SECRET}'\n'rooms.example.org' = '{SECRET}'\n"
    )
    file.chmod(0o600)
    done = xserv("config", "check", file)
    assert done.returncode == 0, done.stderr
    where = "a component, which connects to port 5347 of 127.0.0.1, answers there"
    assert f"bridge.example.org: {where}." in done.stderr
    assert f"rooms.example.org: {where}, in place of the service rooms of this server." in done.stderr


def test_what_the_page_has_as_examples_can_be_used_as_it_stands(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "components.md").read_text(encoding="utf-8")
    examples = re.findall(r"^```toml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(examples) == 3
    for example in examples:
        file = tmp_path / "xserv.toml"
        file.write_text(f"[server]\ndomains = ['example.org']\n{example}")
        assert unwise(file) == []


@pytest.mark.parametrize(
    ("component", "domain"),
    [
        ("x.a.example", "a.example"),
        ("y.x.a.example", "a.example"),
        ("z.chat.a.example", "chat.a.example"),
        ("xa.example", None),
        ("example", None),
        ("a.example.org", None),
    ],
)
def test_a_component_is_at_home_at_the_closest_domain_above_it(component: str, domain: str | None) -> None:
    domains = ("a.example", "chat.a.example")
    assert home(component, domains) == domain
    shown_at = [each for each in domains if belonging_to(each, [component], domains)]
    assert shown_at == ([domain] if domain else [*domains])
