"""Somebody with many contacts: more than are told at once of what happens to one of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.harness.in_process import Client, add_accounts, befriend, server_in
from xmpp.data.jid import JID
from xmpp.server import Server

CONTACTS = [JID.parse(f"contact{number:02}@localhost") for number in range(12)]


@contextmanager
def server_with_contacts_of(account: JID, folder: Path) -> Iterator[Server]:
    """A server on which this account and all of them are each other's contacts."""
    with server_in(folder) as server:
        add_accounts(server, account.local, *(contact.local for contact in CONTACTS))
        for contact in CONTACTS:
            befriend(server, account, contact)
        yield server


def contacts_at_home(server: Server, *asking: str) -> list[Client]:
    """A device of each, online in order, after it has made these requests."""
    found = [Client(server, f"{contact}/home") for contact in CONTACTS]
    for client in found:
        for payload in asking:
            client.asks(payload)
        client.sends("<presence/>")
    return found
