"""Servers that people run today, measured where their Debian packages are installed: Prosody and ejabberd.

Their own configuration and data are left alone. The configurations are those of a careful administrator: passwords
hashed, no rate limits, the features that xserv has; docs/performance.md tells where they differ.
"""

import base64
import hashlib
import hmac
import json
import secrets
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.process import StartFailed
from bench.servers import DOMAIN, PASSWORD, Others, Server, Setup
from tests.harness.ejabberd import ERLANG_RESOLVER
from tests.harness.prosody import PROSODY_MODULE

PROSODY_ITERATIONS, EJABBERD_ITERATIONS = 10_000, 4096  # their own defaults

PROSODY = """
daemonize = false
run_as_root = true
data_path = {data}
pidfile = {pidfile}
log = {{ info = "*console" }}
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {port} }}
c2s_direct_tls_ports = {{ {tls_port} }}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "internal_hashed"
network_settings = {{ nagle = false }} -- its default holds a busy stream up by 40 ms at a time
storage = "internal"
modules_enabled = {{
  "roster"; "saslauth"; "tls"; "disco"; "carbons"; "blocklist"; "pep"; "vcard_legacy"; "private";
  "smacks"; "csi_simple"; "ping"; "time"; "version"; "lastactivity"; {archive_module} {links_modules}
}}
{archive}
{links}
VirtualHost "{domain}"
  ssl = {{ key = {certificate}; certificate = {certificate} }}
Component "{rooms}" "muc"
  modules_enabled = {{ {room_archive_module} }}
  muc_log_by_default = true
"""

PROSODY_ARCHIVE = """
storage = {{ archive = "sql" }}
sql = {{ driver = "SQLite3"; database = {database} }}
default_archive_policy = true
"""

PROSODY_LINKS = """
package.preload["lunbound"] = function () error("its own resolver is wanted"); end
plugin_paths = {{ {plugins} }}
nameserver_port = {nameserver_port}
use_ipv6 = false
s2s_ports = {{ {server_port} }}
s2s_secure_auth = {has_tls}
s2s_require_encryption = {has_tls}
s2s_allow_encryption = {has_tls}
ssl = {{ cafile = {roots} }}
"""

EJABBERD = """
hosts: [{domain}]
loglevel: info
certfiles: [{certificate}]
auth_method: mnesia
auth_password_format: scram
listen:
  - {{port: {port}, ip: 127.0.0.1, module: ejabberd_c2s, starttls: true, max_stanza_size: 262144}}
  - {{port: {tls_port}, ip: 127.0.0.1, module: ejabberd_c2s, tls: true, max_stanza_size: 262144}}
{listens_to_others}
shaper_rules: {{max_user_sessions: 10, max_user_offline_messages: 200}}
modules:
  mod_blocking: {{}}
  mod_caps: {{}}
  mod_carboncopy: {{}}
  mod_client_state: {{}}
  mod_disco: {{}}
  mod_last: {{}}
  mod_muc:
    host: {rooms}
    max_users: 6000
    max_users_presence: 6000
    max_user_conferences: 1000
    default_room_options: {{mam: {rooms_are_archived}, max_users: 6000}}
  mod_offline: {{access_max_user_messages: max_user_offline_messages}}
  mod_ping: {{}}
  mod_privacy: {{}}
  mod_private: {{}}
  mod_pubsub: {{plugins: [flat, pep]}}
  mod_push: {{}}
  mod_roster: {{versioning: true}}
  mod_stream_mgmt: {{}}
  mod_vcard: {{search: false}}
  mod_version: {{}}
{dialback}
{archive}
{links}
"""

EJABBERD_LISTENS_TO_OTHERS = "  - {{port: {port}, ip: 127.0.0.1, module: ejabberd_s2s_in}}"
EJABBERD_LINKS = """
ca_file: {roots}
s2s_cafile: {roots}
s2s_use_starttls: {starttls}
"""

EJABBERD_ARCHIVE = """
  mod_mam: {{default: always, db_type: sql}}
sql_type: sqlite
sql_database: {database}
"""


# Its accounts as it would write them itself, which takes a while: it hashes each password.
EJABBERD_ACCOUNTS = """
    ok = mnesia:create_schema([node()]),
    ok = mnesia:start(),
    {{atomic, ok}} = mnesia:create_table(passwd, [{{disc_copies, [node()]}}, {{attributes, [us, password]}}]),
    Keys = {{scram, <<"{stored_key}">>, <<"{server_key}">>, <<"{salt}">>, sha, {iterations}}},
    [ok = mnesia:dirty_write({{passwd, {{<<"u", (integer_to_binary(N))/binary>>, <<"{domain}">>}}, Keys}})
        || N <- lists:seq(0, {last})],
    stopped = mnesia:stop(),
    halt().
"""


class ScramKeys(NamedTuple):
    """What a server keeps of a password for SCRAM-SHA-1 (RFC 5802 section 3)."""

    salt: bytes
    stored_key: bytes
    server_key: bytes


def _scram_keys(iterations: int) -> ScramKeys:
    salt = secrets.token_hex(16).encode()
    salted = hashlib.pbkdf2_hmac("sha1", PASSWORD.encode(), salt, iterations)
    stored_key = hashlib.sha1(hmac.digest(salted, b"Client Key", "sha1")).digest()
    return ScramKeys(salt, stored_key, hmac.digest(salted, b"Server Key", "sha1"))


class Prosody(Server):
    """Prosody, from its Debian package; its archive needs lua-dbi-sqlite3."""

    name = "Prosody"
    advice = "Its packages in Debian: prosody, and lua-dbi-sqlite3 for the archive."

    def is_installed(self) -> bool:
        return shutil.which("prosody") is not None

    def version(self) -> str:
        return _package_version("prosody")

    def make_accounts(self, data: Path, count: int, domain: str = DOMAIN) -> None:
        folder = data / _encoded(domain) / "accounts"
        folder.mkdir(parents=True)
        account = _scram_account()
        for number in range(count):
            (folder / f"u{number}.dat").write_text(account)

    def command(self, setup: Setup) -> Sequence[str]:
        configuration = setup.data / "prosody.cfg.lua"
        database = json.dumps(str(setup.data / "archive.sqlite"))
        configuration.write_text(
            PROSODY.format(
                data=json.dumps(str(setup.data)),  # a Lua string looks like JSON's
                pidfile=json.dumps(str(setup.data / "prosody.pid")),
                certificate=json.dumps(str(setup.certificate)),
                port=setup.port,
                tls_port=setup.tls_port,
                domain=setup.domain,
                rooms=f"rooms.{setup.domain}",
                links_modules='"dialback"; "s2s_bidi"; "of_the_tests";' if setup.others else "",
                links=_prosody_links(setup, setup.others) if setup.others else 'modules_disabled = { "s2s" }',
                archive_module='"mam"' if setup.has_archive else "",
                room_archive_module='"muc_mam"' if setup.has_archive else "",
                archive=PROSODY_ARCHIVE.format(database=database) if setup.has_archive else "",
            )
        )
        return ["prosody", "-F", "--config", str(configuration)]


def _prosody_links(setup: Setup, others: Others) -> str:
    plugins = setup.data / "plugins"
    plugins.mkdir(exist_ok=True)
    (plugins / "mod_of_the_tests.lua").write_text(PROSODY_MODULE)
    return PROSODY_LINKS.format(
        plugins=json.dumps(str(plugins)),
        nameserver_port=others.nameserver_port,
        server_port=others.server_port,
        has_tls="true" if others.has_tls else "false",
        roots=json.dumps(str(others.roots)),
    )


def _encoded(domain: str) -> str:
    """As the internal storage names folders."""
    return "".join(each if each.isalnum() else f"%{ord(each):02x}" for each in domain)


def _scram_account() -> str:
    """An account's file of the internal storage."""
    keys = _scram_keys(PROSODY_ITERATIONS)
    return (
        f'return {{ ["iteration_count"] = {PROSODY_ITERATIONS}; ["salt"] = "{keys.salt.decode()}"; '
        f'["stored_key"] = "{keys.stored_key.hex()}"; ["server_key"] = "{keys.server_key.hex()}"; }};\n'
    )


class Ejabberd(Server):
    """ejabberd, from its Debian package; its archive needs erlang-p1-sqlite3."""

    name = "ejabberd"
    advice = "Its packages in Debian: ejabberd, and erlang-p1-sqlite3 for the archive."

    def is_installed(self) -> bool:
        return shutil.which("ejabberdctl") is not None and shutil.which("erl") is not None

    def version(self) -> str:
        return _package_version("ejabberd")

    def make_accounts(self, data: Path, count: int, domain: str = DOMAIN) -> None:
        keys = _scram_keys(EJABBERD_ITERATIONS)
        written = EJABBERD_ACCOUNTS.format(
            last=count - 1,
            domain=domain,
            iterations=EJABBERD_ITERATIONS,
            **{name: base64.b64encode(value).decode() for name, value in keys._asdict().items()},
        )
        command = ["erl", "-noinput", *_tables(data), "-eval", written]
        done = subprocess.run(command, cwd=data, capture_output=True, text=True, check=False)
        if done.returncode:
            raise StartFailed(f"{self.name}: its accounts cannot be written: {done.stderr or done.stdout}")

    def command(self, setup: Setup) -> Sequence[str]:
        database = json.dumps(str(setup.data / "archive.sqlite"))
        self._configuration(setup).write_text(
            EJABBERD.format(
                certificate=json.dumps(str(setup.certificate)),
                port=setup.port,
                tls_port=setup.tls_port,
                domain=setup.domain,
                rooms=f"rooms.{setup.domain}",
                **_ejabberd_links(setup.others),
                rooms_are_archived="true" if setup.has_archive else "false",
                archive=EJABBERD_ARCHIVE.format(database=database) if setup.has_archive else "",
            )
        )
        # Not ejabberdctl, which changes to a user who may not see this folder, and starts a daemon besides.
        return ["erl", "-noinput", "+K", "true", "+P", "250000", *_tables(setup.data), "-s", "ejabberd"]

    def environment(self, setup: Setup) -> Mapping[str, str]:
        resolver = {}
        if setup.others:
            file = setup.data / "inetrc"
            file.write_text(ERLANG_RESOLVER.format(nameserver_port=setup.others.nameserver_port))
            resolver = {"ERL_INETRC": str(file)}
        return resolver | {
            "EJABBERD_CONFIG_PATH": str(self._configuration(setup)),
            "EJABBERD_LOG_PATH": str(setup.data / "ejabberd.log"),
            "ERL_LIBS": _erlang_libraries(),
            "ERL_CRASH_DUMP_BYTES": "0",
            "HOME": str(setup.data),
        }

    def _configuration(self, setup: Setup) -> Path:
        return setup.data / "ejabberd.yml"


def _ejabberd_links(others: Others | None) -> dict[str, str]:
    if others is None:
        return dict.fromkeys(("listens_to_others", "links", "dialback"), "")
    return {
        "listens_to_others": EJABBERD_LISTENS_TO_OTHERS.format(port=others.server_port),
        "links": EJABBERD_LINKS.format(
            roots=json.dumps(str(others.roots)), starttls="required" if others.has_tls else "false"
        ),
        "dialback": "  mod_s2s_dialback: {}",
    }


def _tables(data: Path) -> list[str]:
    """Where Mnesia keeps its tables."""
    return ["-mnesia", "dir", f'"{data / "mnesia"}"']


def _erlang_libraries() -> str:
    """The folder that Debian keeps ejabberd in; each architecture has its own."""
    return ":".join(str(folder.parent) for folder in Path("/usr/lib").glob("*/ejabberd-*"))


def _package_version(package: str) -> str:
    query = ["dpkg-query", "--show", "--showformat", "${Version}", package]
    answer = subprocess.run(query, capture_output=True, text=True, check=False)
    return answer.stdout or "of unknown version"
