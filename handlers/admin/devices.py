"""What administrators see of the clients of an account, and how they take access from one."""

from typing import TYPE_CHECKING

from handlers.admin.given import Administrator, changeable_account, existing_account, note
from handlers.login import client_access
from handlers.login.client_access import TOKEN, Client
from xmpp.control import Refused

if TYPE_CHECKING:
    from xmpp.routing.servers import Server


def listing(server: "Server", by: Administrator, account: str) -> list[Client]:
    """The clients that have access to an account, the one that was there last first."""
    return client_access.listing(server, existing_account(server, by, account))


def revoke(server: "Server", by: Administrator, account: str, id: str) -> list[str]:
    """End the sessions of a client, and make its token void: an administrator may do for the moment what its owner is
    told to change the password for. Returns by what it may log in again, PASSWORD or CERTIFICATE or both: the one
    holds until it is changed, the other for as long as its authority says."""
    jid = changeable_account(server, by, account)
    try:
        client = client_access.find(server, jid, id)
    except client_access.NoSuchClient as error:
        raise Refused(f"{error}.") from error
    note(by, "account", jid, "had a client revoked")
    client_access.revoke(server, jid, client.id)
    client_access.end(server, jid, client.id)
    return [way for way in client.ways if way != TOKEN]
