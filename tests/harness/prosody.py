"""Prosody as another domain."""

from collections.abc import Mapping, Sequence

from tests.harness.peer import Peer, quoted

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
                data=quoted(data),
                pidfile=quoted(self.folder / "prosody.pid"),
                certificates=quoted(self.folder / "certificate"),
                plugins=quoted(plugins),
                nameserver_port=self.world.nameserver_port,
                log_level="info",
                port=self.port,
                server_port=self.server_port,
                server_tls_port=self.server_tls_port,
                is_strict=_lua(self.is_strict),
                is_encrypted=_lua(self.is_encrypted),
                roots=quoted(self.roots),
                chain=quoted(self.chain),
                key=quoted(self.key),
                modules=" ".join(f'"{name}";' for name, is_chosen in chosen.items() if is_chosen),
                more=self.more,
                domain=quoted(self.domain),
                rooms=quoted(self.rooms),
            )
            + "".join(
                PROSODY_OTHER.format(
                    domain=quoted(domain),
                    chain=quoted(folder / "fullchain.pem"),
                    key=quoted(folder / "privkey.pem"),
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


def _lua(value: bool) -> str:
    return "true" if value else "false"
