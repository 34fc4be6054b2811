"""A small internet for tests on loopback: a name server and an authority that all servers in it trust."""

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any, Self

from tests.harness.authority import Authority, Issued
from tests.harness.rawclient import PATIENCE
from tests.harness.servers import ROOT

SERVICES = ("rooms", "pubsub", "upload")  # of ours; peers have rooms


class World:
    """`nameserver_port` is where names are looked up, `roots` the file of the root that is trusted.

    The name server is a process, since clients of the tests block; it is started again when what it knows is changed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.authority, self.nameserver_port = folder, Authority(), 0
        folder.mkdir(parents=True, exist_ok=True)
        self.roots = self.authority.write_root(folder / "roots.pem")
        self._records: dict[str, dict[str, list[str]]] = defaultdict(dict)
        self._behaviours: dict[str, str] = {}
        self._records["localhost"]["A"] = ["127.0.0.1"]
        self._process: subprocess.Popen[str] | None = None

    def announce(self, *domains: str, port: int = 0, tls_port: int = 0) -> None:
        """Tell the world where the server of these domains and their services is: by STARTTLS, direct TLS, or both."""
        for name in (each for domain in domains for each in _with_services(domain)):
            for kind, its_port in (("_xmpp-server", port), ("_xmpps-server", tls_port)):
                if its_port:
                    self._records[f"{kind}._tcp.{name}"]["SRV"] = [f"0 5 {its_port} localhost."]
        self._restart()

    def misbehave(self, behaviour: str, domain: str) -> None:
        """Do this in place of answers where the server of a domain is looked for; "" is to answer again."""
        for name in (f"_xmpp-server._tcp.{domain}", f"_xmpps-server._tcp.{domain}", domain):
            self._behaviours[name] = behaviour
        self._restart()

    def issue(self, domain: str, **how: Any) -> Issued:
        """A certificate for a domain and all its services, for servers only, as public authorities issue them."""
        return self.authority.issue(*_with_services(domain), **how)

    def __enter__(self) -> Self:
        self._restart()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate(timeout=PATIENCE)

    def _restart(self) -> None:
        self.__exit__()
        file = self.folder / "zone.json"
        described: dict[str, Any] = {"records": self._records, "behaviours": self._behaviours}
        file.write_text(json.dumps({**described, "port": self.nameserver_port}))
        self._process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "tests.harness.zone", str(file)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        self.nameserver_port = int(said.rpartition(":")[2])


def _with_services(domain: str) -> list[str]:
    return [domain, *(f"{service}.{domain}" for service in SERVICES)]
