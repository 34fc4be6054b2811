"""Other people's servers as other domains: Prosody and ejabberd from their Debian packages, as ordinary processes.

All is in a folder of the test's: configuration, accounts, certificates. They listen on loopback, on ports that the
system chose, and find others in the private zone alone: where they look for services (SRV) they ask its name server,
and all targets are `localhost`, since ejabberd has the addresses of targets from the system.
"""

import json
import os
import shutil
import signal
import subprocess
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Self

import pytest

from tests.harness.authority import Issued
from tests.harness.correspondents import Correspondent
from tests.harness.proxies import free_port
from tests.harness.rawclient import PATIENCE, RawClient
from tests.harness.world import World

PASSWORD = "a plague on both your houses"
STOP_SECONDS = 30.0
PROGRAMS = "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"

# Prosody 0.12 with libunbound would take `unbound = { forward = ... }`; without, its own resolver knows only
# /etc/resolv.conf and port 53. So this makes it use its own, and that another name server. It says, too, when
# it has started, and how each link was proved; Prosody itself tells the latter only in its debug log.
PROSODY_MODULE = """
module:set_global();
local nameserver_port = module:get_option_number("nameserver_port");
local resolver = getmetatable(require "net.dns".resolver()).__index;

function resolver:adddefaultnameservers()
  self:addnameserver("127.0.0.1");
end

function resolver:socket_wrapper_set(wrap)
  self.socket_wrapper = function (sock, ...)
    local wrapped, err = wrap(sock, ...);
    if wrapped then
      local setpeername = wrapped.setpeername;
      wrapped.setpeername = function (handler, address) return setpeername(handler, address, nameserver_port); end;
    end
    return wrapped, err;
  end;
end

module:hook("server-started", function ()
  module:log("info", "everything listens");
end, -1000);

function module.add_host(module)
  module:hook("s2s-authenticated", function (event)
    local session = event.session;
    local is_bidi = session.incoming and session.outgoing;
    module:log("info", "link %s %s: %s, %s, %s", session.direction, event.host, event.mechanism,
      session.secure and "TLS" or "no TLS", is_bidi and "bidi" or "one way");
  end, 1000);
end
"""

PROSODY = """
package.preload["lunbound"] = function () error("its own resolver is wanted"); end
run_as_root = true -- where the tests are
data_path = {data}
pidfile = {pidfile}
certificates = {certificates}
plugin_paths = {{ {plugins} }}
nameserver_port = {nameserver_port}
log = {{ {log_level} = "*console" }}
interfaces = {{ "127.0.0.1" }}
use_ipv6 = false
c2s_ports = {{ {port} }}
s2s_ports = {{ {server_port} }}
s2s_direct_tls_ports = {{ {server_tls_port} }}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
allow_registration = true
authentication = "internal_plain" -- nothing is hashed: no test is about that
storage = "internal"
s2s_secure_auth = {is_strict}
s2s_require_encryption = {is_encrypted}
s2s_allow_encryption = {is_encrypted}
ssl = {{ cafile = {roots}; certificate = {chain}; key = {key} }}
modules_enabled = {{
  "of_the_tests"; "roster"; "saslauth"; "tls"; "disco"; "pep"; "register_ibr"; "ping"; "mam"; "blocklist"; "vcard4";
  {modules}
}}
default_archive_policy = true
{more}
VirtualHost {domain}
Component {rooms} "muc"
  muc_room_default_public = true
  muc_room_locking = false
"""
PROSODY_OTHER = """
VirtualHost {domain}
  ssl = {{ certificate = {chain}; key = {key} }}
"""

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


class PeerDied(Exception):
    """The server ended, or said no more in time; the text is what it had said."""


class Peer(ABC):
    """A server for a domain and for `rooms.` beneath it.

    `port` is for clients, `server_port` for other servers, `server_tls_port` for those with TLS from the first byte:
    they stay the same when it is started again. `said`: the lines of its log.

    `roots`: whom it trusts, if not those whom the world does. `others`: more domains, each with a certificate of its
    own. `is_strict`: it wants certificates that are valid, and nobody proves by dialback who he is. `is_direct`: others
    find it by direct TLS alone, not by STARTTLS. `is_encrypted`: it offers and wants TLS with others.
    """

    program: ClassVar[str]

    def __init__(
        self,
        folder: Path,
        domain: str,
        certificate: Issued,
        world: World,
        *,
        roots: Path | None = None,
        others: Mapping[str, Issued] | None = None,
        is_strict: bool = False,
        is_direct: bool = False,
        is_encrypted: bool = True,
        more: str = "",
    ) -> None:
        self.folder, self.domain, self.rooms = folder, domain, f"rooms.{domain}"
        self.roots = roots or world.roots
        self.is_strict, self.is_direct, self.is_encrypted, self.more = is_strict, is_direct, is_encrypted, more
        self.others = {
            name: issued.write(folder / "certificates" / name) for name, issued in (others or {}).items()
        }
        self.world = world
        self.port, self.server_port, self.server_tls_port = free_port(), free_port(), free_port()
        self.said: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._begins = 0  # among the lines
        self._has_said = threading.Condition()
        self._is_silent = True
        self._known: set[tuple[str, str]] = set()
        folder.mkdir(parents=True, exist_ok=True)
        self.show(certificate)

    def show(self, certificate: Issued) -> None:
        """Have this certificate from its next start on."""
        certificate.write(self.folder / "certificate")

    @property
    def chain(self) -> Path:
        """The file of its certificate, with the intermediate."""
        return self.folder / "certificate" / "fullchain.pem"

    @property
    def key(self) -> Path:
        return self.folder / "certificate" / "privkey.pem"

    # -- a process

    def start(self) -> Self:
        """Start it, and wait until it listens. Raises PeerDied."""
        command, environment = self._command()
        found = shutil.which(command[0], path=PROGRAMS)
        assert found is not None, f"{command[0]} is not installed"
        reading, writing = os.pipe()
        self._begins, self._is_silent = len(self.said), False
        try:
            self._process = subprocess.Popen(
                # It ends with the tests, however these end.
                ["setpriv", "--pdeathsig", "KILL", found, *command[1:]],
                cwd=self.folder,
                env={"PATH": PROGRAMS, "HOME": str(self.folder), "LANG": "C.UTF-8", **environment},
                stdin=subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                start_new_session=True,  # what it starts ends with it
            )
        finally:
            os.close(writing)
        self._collector = threading.Thread(target=self._collect, args=(reading,), daemon=True)
        self._collector.start()
        try:
            self._wait_until_it_listens()
        except BaseException:
            self.kill()
            raise
        return self

    def stop(self) -> None:
        """Ask it to end, so that it takes leave of everybody, and wait."""
        if self._process is not None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
            self.kill()

    def kill(self) -> None:
        """End it and all that it has started at once."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(PATIENCE)
            self._collector.join(PATIENCE)
            self._process = None

    def freeze(self) -> None:
        """Let it do nothing any more, with all connections open."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, number)

    def __enter__(self) -> Self:
        """Start it, and let the world know where it is."""
        self.start()
        ports = {"tls_port": self.server_tls_port} if self.is_direct else {"port": self.server_port}
        self.world.announce(self.domain, *self.others, **ports)
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def wait_for(self, *texts: str) -> str:
        """The first line of its log since it was started that contains these texts; it may yet be to come.

        Raises PeerDied.
        """
        with self._has_said:
            self._has_said.wait_for(lambda: self._is_silent or self._line_with(texts) is not None, PATIENCE)
            line = self._line_with(texts)
        if line is None:
            raise PeerDied(f"{texts!r} was expected of {self.program}, which said:\n" + "\n".join(self.said[-200:]))
        return line

    def _line_with(self, texts: Sequence[str]) -> str | None:
        return next((line for line in self.said[self._begins :] if all(text in line for text in texts)), None)

    def _collect(self, descriptor: int) -> None:
        with os.fdopen(descriptor, encoding="utf-8", errors="replace") as output:
            for line in output:
                with self._has_said:
                    self.said.append(line.rstrip("\n"))
                    self._has_said.notify_all()
        with self._has_said:
            self._is_silent = True
            self._has_said.notify_all()

    # -- what differs

    @abstractmethod
    def _command(self) -> tuple[Sequence[str], Mapping[str, str]]:
        """Write the configuration; returns what starts the server, and the environment that it needs."""

    @abstractmethod
    def _wait_until_it_listens(self) -> None:
        """Wait until it says so, of all its ports."""

    @abstractmethod
    def waits_for_link(self, to: str, *, is_ours: bool) -> tuple[str, str]:
        """Wait until a link with that domain is up, one that we (or else the peer) dialled; returns how it was proved,
        `EXTERNAL` or `dialback`, and whether it is `one way` or `bidi`."""

    # -- people

    def client(self, name: str, resource: str = "", domain: str = "") -> Correspondent:
        """A client of this account, which is made if need be; its session has no TLS."""
        domain = domain or self.domain
        if (name, domain) not in self._known:
            with RawClient(self.port, domain=domain) as client:
                client.open()
                client.register(name, PASSWORD)
            self._known.add((name, domain))
        return Correspondent.of(self.port, domain, name, PASSWORD, resource, has_tls=False)


class Prosody(Peer):
    """Prosody 0.12, from its Debian package.

    It takes certificates for servers from those who dial, too. It tries again whenever there is something to send.
    `has_bidi`: one link for both ways (XEP-0288), whoever dials, where the other side does it, too.
    """

    program = "prosody"

    def __init__(self, *arguments: object, has_bidi: bool = True, **others: object) -> None:
        self.has_bidi = has_bidi
        super().__init__(*arguments, **others)  # type: ignore[arg-type]

    def _command(self) -> tuple[Sequence[str], Mapping[str, str]]:
        plugins, data, file = self.folder / "plugins", self.folder / "data", self.folder / "prosody.cfg.lua"
        for folder in (plugins, data):
            folder.mkdir(exist_ok=True)
        (plugins / "mod_of_the_tests.lua").write_text(PROSODY_MODULE)
        chosen = {"dialback": not self.is_strict, "s2s_bidi": self.has_bidi, "smacks": True}
        file.write_text(
            PROSODY.format(
                data=_quoted(data),
                pidfile=_quoted(self.folder / "prosody.pid"),
                certificates=_quoted(self.folder / "certificate"),
                plugins=_quoted(plugins),
                nameserver_port=self.world.nameserver_port,
                log_level="info",
                port=self.port,
                server_port=self.server_port,
                server_tls_port=self.server_tls_port,
                is_strict=_lua(self.is_strict),
                is_encrypted=_lua(self.is_encrypted),
                roots=_quoted(self.roots),
                chain=_quoted(self.chain),
                key=_quoted(self.key),
                modules=" ".join(f'"{name}";' for name, is_chosen in chosen.items() if is_chosen),
                more=self.more,
                domain=_quoted(self.domain),
                rooms=_quoted(self.rooms),
            )
            + "".join(
                PROSODY_OTHER.format(
                    domain=_quoted(domain),
                    chain=_quoted(folder / "fullchain.pem"),
                    key=_quoted(folder / "privkey.pem"),
                )
                for domain, folder in self.others.items()
            )
        )
        return ["prosody", "-F", "--config", str(file)], {}

    def _wait_until_it_listens(self) -> None:
        self.wait_for("everything listens")

    def waits_for_link(self, to: str, *, is_ours: bool) -> tuple[str, str]:
        line = self.wait_for(f"link {'incoming' if is_ours else 'outgoing'} {to}: ")
        proof, _, directions = line.strip().rpartition(": ")[2].split(", ")
        return proof, directions


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
                files=", ".join(_quoted(folder / "*.pem") for folder in (self.chain.parent, *self.others.values())),
                roots=_quoted(self.roots),
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


PEERS: Mapping[str, type[Peer]] = {"prosody": Prosody, "ejabberd": Ejabberd}


def needs(peer: str) -> pytest.MarkDecorator:
    """Skip where this peer is not installed."""
    programs = {"prosody": ["prosody"], "ejabberd": ["ejabberdctl", "erl"]}[peer]
    is_there = all(shutil.which(each, path=PROGRAMS) for each in programs)
    return pytest.mark.skipif(not is_there, reason=f"{peer} is not installed")


def _erlang_libraries() -> str:
    """The folder that Debian keeps ejabberd in; each architecture has its own."""
    return ":".join(str(folder.parent) for folder in Path("/usr/lib").glob("*/ejabberd-*"))


def _lua(value: bool) -> str:
    return "true" if value else "false"


def _quoted(value: object) -> str:
    """A string of Lua or YAML, which both look like JSON's."""
    return json.dumps(str(value))
