"""ejabberd as another domain."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.harness.peer import Peer, quoted

EJABBERD = """
hosts: [{domains}]
loglevel: {log_level}
certfiles: [{files}]
ca_file: {roots}
s2s_cafile: {roots}
auth_method: mnesia
s2s_use_starttls: {starttls}
s2s_max_retry_delay: 1
registration_timeout: infinity
acme: {{auto: false}}
listen:
  - {{port: {port}, ip: 127.0.0.1, module: ejabberd_c2s}}
  - {{port: {server_port}, ip: 127.0.0.1, module: ejabberd_s2s_in}}
  - {{port: {server_tls_port}, ip: 127.0.0.1, module: ejabberd_s2s_in, tls: true}}
access_rules: {{anybody: {{allow: all}}}}
modules:
  mod_blocking: {{}}
  mod_caps: {{}}
  mod_disco: {{}}
  mod_mam: {{default: always}}
  mod_muc: {{host: {rooms}}}
  mod_offline: {{}}
  mod_ping: {{}}
  mod_privacy: {{}}
  mod_pubsub: {{plugins: [flat, pep]}}
  mod_register: {{ip_access: all, access: anybody, password_strength: 0}}
  mod_roster: {{}}
{modules}
{more}
"""

# Erlang's resolver is asked for SRV records alone (inet_res); for addresses ejabberd asks that of the system.
ERLANG_RESOLVER = """
{{lookup, [file, dns]}}.
{{hosts_file, ""}}.
{{resolv_conf, ""}}.
{{nameserver, {{127,0,0,1}}, {nameserver_port}}}.
{{cache_size, 0}}.
"""


class Ejabberd(Peer):
    """ejabberd 23.01, from its Debian package.

    Before 25.08 it does not take certificates for servers from those who dial, which then need dialback. It has no
    bidi, and no stream management with servers. Without a node name it is no part of a network of Erlang nodes: there
    is no cookie, and epmd is not started. It is started without ejabberdctl, which changes to a user who may not see
    the folder.
    """

    program = "ejabberd"

    def _command(self) -> tuple[Sequence[str], Mapping[str, str]]:
        file, resolver = self.folder / "ejabberd.yml", self.folder / "inetrc"
        resolver.write_text(ERLANG_RESOLVER.format(nameserver_port=self.world.nameserver_port))
        file.write_text(
            EJABBERD.format(
                domains=", ".join((self.domain, *self.others)),
                log_level="info",
                starttls="required" if self.is_encrypted else "false",
                files=", ".join(quoted(folder / "*.pem") for folder in (self.chain.parent, *self.others.values())),
                roots=quoted(self.roots),
                port=self.port,
                server_port=self.server_port,
                server_tls_port=self.server_tls_port,
                rooms=self.rooms,
                # Where it is, it is the way out for certificates that are not valid.
                modules="" if self.is_strict else "  mod_s2s_dialback: {}",
                more=self.more,
            )
        )
        environment = {
            "EJABBERD_CONFIG_PATH": str(file),
            "EJABBERD_LOG_PATH": str(self.folder / "ejabberd.log"),
            "ERL_INETRC": str(resolver),
            "ERL_LIBS": _erlang_libraries(),
            "ERL_CRASH_DUMP_BYTES": "0",
        }
        return ["erl", "-noinput", "-mnesia", "dir", f'"{self.folder / "mnesia"}"', "-s", "ejabberd"], environment

    def _wait_until_it_listens(self) -> None:
        for port in (self.port, self.server_port, self.server_tls_port):
            self.wait_for(f"connections at 127.0.0.1:{port} for")

    def waits_for_link(self, to: str, *, is_ours: bool) -> tuple[str, str]:
        pair = f"{to} -> {self.domain}" if is_ours else f"{self.domain} -> {to}"
        line = self.wait_for(f"Accepted {'in' if is_ours else 'out'}bound s2s ", f" {pair} (")
        return line.partition("bound s2s ")[2].partition(" ")[0], "one way"


def _erlang_libraries() -> str:
    """The folder that Debian keeps ejabberd in; each architecture has its own."""
    return ":".join(str(folder.parent) for folder in Path("/usr/lib").glob("*/ejabberd-*"))
