"""Servers with a configuration and accounts of their own, as `xserv run` and `xserv user` make them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.harness import commandline
from tests.harness.servers import RunningServer
from xmpp.config.values import in_toml

Sections = Mapping[str, Mapping[str, Any]]

ON_LOOPBACK = {"addresses": ["127.0.0.1"], "port": 0, "tls_port": 0, "http_port": 0, "https_port": 0}
PASSWORDS = {"juliet": "a rose by any other name", "romeo": "with love's light wings"}


def configuration_file(folder: Path, sections: Sections) -> Path:
    """Write a configuration that listens on loopback, on ports that the system chooses."""
    sections = {**sections, "listen": {**ON_LOOPBACK, **sections.get("listen", {})}}
    file = folder / "settings.toml"
    file.write_text("".join(f"[{name}]\n{_assignments(values)}\n" for name, values in sections.items()))
    return file


def _assignments(values: Mapping[str, Any]) -> str:
    return "".join(f"{key} = {in_toml(value)}\n" for key, value in values.items())


def run_server(folder: Path, *arguments: str, **sections: Mapping[str, Any]) -> RunningServer:
    """`xserv run` with the accounts of PASSWORDS; the data is in folder/data."""
    file = configuration_file(folder, sections)
    data = ("--config", str(file), "--data", str(folder / "data"))
    add_accounts(*data)
    return RunningServer("run", *data, *arguments)


def demo_server(folder: Path, *arguments: str, **sections: Mapping[str, Any]) -> RunningServer:
    """`xserv demo` with these settings."""
    return RunningServer.demo("--config", str(configuration_file(folder, sections)), *arguments)


def add_accounts(*options: str) -> None:
    """Make the accounts of PASSWORDS."""
    typed = "".join(f"{name}@localhost {password}\n" for name, password in PASSWORDS.items())
    commandline.succeeds("user", "import", *options, "-", typed=typed)
