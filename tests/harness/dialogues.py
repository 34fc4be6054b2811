"""The dialogues of spec/, and how they are played against a server inside the test, by a player in its own thread."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gevent.threadpool import ThreadPool

from db import accounts as account_records
from db.accounts import Credential
from db.sqlite.database import Database
from handlers.login import accounts
from handlers.login.sasl import passwords
from tests.harness import scsrun
from tests.harness.servers import ROOT
from tests.harness.streams import JULIET, listener_of, listening_server
from xmpp.data.jid import JID
from xmpp.server import Server
from xmpp.stream.tls.tls import ServerTLS, TLSSettings

SCRIPTS = sorted((ROOT / "spec").glob("**/*.scs"))

SHIPPED, WITH_SERVICES, WITHOUT_ARCHIVE = "as it is shipped", "with search and external services", "without an archive"
WITH_ADMINISTRATOR = "with an administrator"
"""The servers that dialogues are for."""

ADMINISTRATOR = JID.parse("escalus@localhost")
"""The one that such a server has; whoever plays him has this password."""
ADMINISTRATORS_PASSWORD = "wherefore"

SERVICES: list[dict[str, Any]] = [
    {"type": "stun", "host": "stun.localhost", "port": 3478},
    {"type": "turn", "host": "turn.localhost", "port": 3478, "secret": "wherefore"},
]
_OF_ALL: dict[str, dict[str, Any]] = {
    "register": {"open": True, "accounts_per_address": 0, "min_password_length": 1},
    "upload": {"address": "https://files.localhost", "min_free_bytes": 0},  # also where nothing speaks HTTP
}
_SETTINGS: dict[str, dict[str, dict[str, Any]]] = {
    SHIPPED: {"archive": {"enabled": True}},
    WITH_SERVICES: {
        "archive": {"enabled": True},
        "external_services": {"services": SERVICES},
        "search": {"enabled": True},
        "rooms": {"creators": "nobody"},
    },
    WITHOUT_ARCHIVE: {},
    WITH_ADMINISTRATOR: {"archive": {"enabled": True}, "server": {"administrators": [ADMINISTRATOR]}},
}


def settings_of(kind: str) -> dict[str, dict[str, Any]]:
    """How a server of this kind is configured."""
    return {**_OF_ALL, **_SETTINGS[kind]}


def name_of(script: Path) -> str:
    """What tables and tests call it: where it is in spec/."""
    return str(script.relative_to(ROOT / "spec"))


def label(parameter: Path | str) -> str:
    """What a test is called by its parameters: a dialogue, and the way it is played."""
    return parameter if isinstance(parameter, str) else name_of(parameter)


def has_several_people(script: Path) -> bool:
    people = scsrun.parse_script(script.read_text(encoding="utf-8")).characters.values()
    return len({who.bare for who in people}) > 1


def uses(script: Path, *services: str) -> bool:
    """True if it names one of these services, which are beneath localhost."""
    text = script.read_text(encoding="utf-8")
    return any(f"{each}.localhost" in text for each in services)


def wanted_server(script: Path) -> str:
    """What the script says of the server that it is for, in the lines that begin with "##"."""
    said = [tag.removeprefix("server: ") for tag in _tags(script) if tag.startswith("server: ")]
    return said[0] if said else SHIPPED


def options(script: Path, port: int, *more: str) -> Any:
    """How the player is to play it."""
    ids = [] if any("XEP-0313" in tag for tag in _tags(script)) else ["--no-stanza-ids"]
    return scsrun.arguments(["--port", str(port), "--sync", "--pedantic", "--no-leftovers", *ids, *more, str(script)])


def _tags(script: Path) -> list[str]:
    tags: list[str] = scsrun.parse_script(script.read_text(encoding="utf-8"), "-").tags
    return tags


def failure(result: Any) -> str:
    """What went wrong in a dialogue; nothing if it went well."""
    return "" if result.ok else "\n".join([f"line {result.line}: {result.headline}", *result.details])


def assert_same(play: Callable[..., str], reason: str | None) -> None:
    """Play a dialogue elsewhere than it was written for: it goes well, or fails if there is a reason. `play` takes more
    options of the player, and returns what went wrong."""
    patience = ["--timeout", "0.5"] if reason else []  # what does not come is not waited for
    trouble = play(*patience)
    if reason is None:
        assert not trouble, trouble
    else:
        assert trouble, f"it is the same by now; the table says: {reason}"


class Stage:
    """A server in this process that dialogues are played against, with accounts that last as long as each. `kind`: of
    the port that clients connect to."""

    def __init__(self, server: Server, kind: str = "STARTTLS") -> None:
        self.server = server
        self._kind = kind
        self._thread = ThreadPool(1)
        self._credentials: dict[str, dict[str, Credential]] = {}  # to salt a password takes as long as a dialogue

    def play(self, script: Path, *more: str) -> str:
        """What went wrong; nothing if it went well. The server goes on meanwhile."""
        text = script.read_text(encoding="utf-8")
        people = list(scsrun.parse_script(text, "-").characters.values())
        given = {JID.parse(each.bare): each.password for each in reversed(people)}  # the first tells the password
        account_records.create_many(self.server.db, [(jid, self._salted(given[jid])) for jid in given], time.time())
        player = scsrun.Runner(options(script, listener_of(self.server).ports[self._kind], *more))
        try:
            return failure(self._thread.apply(player.run_script, (text, str(script))))
        finally:
            self._remove_accounts()

    def _salted(self, password: str) -> dict[str, Credential]:
        if password not in self._credentials:
            [self._credentials[password]] = passwords.salted(self.server, [password])
        return self._credentials[password]

    def _remove_accounts(self) -> None:
        for account, _ in account_records.listing(self.server.db):
            accounts.remove(self.server, account)


@contextmanager
def stage(folder: Path, kind: str, storage: type[Database] = Database) -> Iterator[Stage]:
    """A server of one of the kinds that dialogues ask for."""
    folder.mkdir(exist_ok=True)
    tls = ServerTLS(TLSSettings(), {"localhost": []}, folder / "certificates")
    with listening_server(folder, storage, tls, **settings_of(kind)) as server:
        accounts.remove(server, JULIET)
        yield Stage(server)
