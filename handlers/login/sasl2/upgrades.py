"""Keys for more hash functions, from a client that logs in and knows the password (XEP-0480): an account that came from
another server with the keys of one can be logged in to by the others then.

All clients are offered all of them, so that the offer tells nothing about an account. Who has logged in, and lacks
none, is asked for none. Without a password, as with a token, nobody gives an account keys: they would be a new one.
"""

from base64 import b64encode
from collections.abc import Iterable
from typing import TYPE_CHECKING

from lxml import etree

from db import accounts
from db.accounts import Credential
from handlers.login.sasl import salted_keys
from handlers.login.sasl.attempts import Proven, decoded
from handlers.login.sasl.mechanisms import MECHANISMS
from handlers.login.sasl.settings import SASLSettings
from handlers.login.sasl2.request import NAMESPACE
from xmpp.data.errors import SASLFailure
from xmpp.routing.feature import Feature

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

UPGRADE = "urn:xmpp:sasl:upgrade:0"
SCRAM_UPGRADE = "urn:xmpp:scram-upgrade:0"
HASH = f"{{{SCRAM_UPGRADE}}}hash"

TASKS = {f"UPGR-{each.name}": each.hash for each in MECHANISMS.values() if each.hash and not each.is_plus}
"""Hash functions by the tasks that are named after them, strongest first."""

feature = Feature("upgrades", xep="0480", needs=["sasl2"])


def offers(server: "Server") -> Iterable[etree._Element]:
    """What stands in <authentication/>."""
    if feature in server.registry.features:
        for name in TASKS:
            element = etree.Element(f"{{{UPGRADE}}}upgrade", nsmap={None: UPGRADE})
            element.text = name
            yield element


class Upgrade:
    """The tasks that a client performs before its login succeeds; `proven` says who it is. They come one by one: it is
    told the salt, and answers with the salted password."""

    def __init__(self, proven: Proven, tasks: Iterable[str], iterations: int) -> None:
        self.proven = proven
        self._tasks = [*tasks]
        self._iterations = iterations
        self._salt = b""  # of the task that was begun

    @property
    def task(self) -> str | None:
        """The next one; None if all are done."""
        return self._tasks[0] if self._tasks else None

    def begin(self, task: str | None) -> etree._Element:
        """Begin the next one; returns what the client has to know. Raises SASLFailure if it has named another."""
        if self._salt or task != self.task:
            raise SASLFailure("malformed-request", "this is not the task")
        self._salt = salted_keys.new_salt()
        data = etree.Element(f"{{{NAMESPACE}}}task-data", nsmap={None: NAMESPACE})
        salt = etree.SubElement(data, f"{{{SCRAM_UPGRADE}}}salt", nsmap={None: SCRAM_UPGRADE})
        salt.set("iterations", str(self._iterations))
        salt.text = b64encode(self._salt).decode()
        return data

    def finish(self, data: etree._Element) -> dict[str, Credential]:
        """Finish it; returns the keys by hash function. Raises SASLFailure."""
        if not self._salt:
            raise SASLFailure("malformed-request", "no task has begun")
        hash, salt = TASKS[self._tasks.pop(0)], self._salt
        self._salt = b""
        salted = decoded("".join((data.findtext(HASH) or "").split()))
        if len(salted) != salted_keys.HASHES[hash].digest_size:
            raise SASLFailure("malformed-request", "the salted password has another length")
        return {hash: salted_keys.of_salted(salted, hash, salt, self._iterations)}


def wanted(server: "Server", authenticate: etree._Element, proven: Proven) -> Upgrade | None:
    """The tasks that a client has asked for, of which its account lacks the keys; None if there are none."""
    asked = {each.text for each in authenticate.iterfind(f"{{{UPGRADE}}}upgrade")}
    if not asked or proven.mechanism not in MECHANISMS or feature not in server.registry.features:
        return None
    known = accounts.hashes(server.db, proven.account)
    tasks = [task for task, hash in TASKS.items() if task in asked and hash not in known]
    return Upgrade(proven, tasks, server.settings(SASLSettings).iterations) if tasks else None
