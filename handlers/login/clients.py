"""Clients of accounts, as they are told apart by the server: by the id that an installation gives itself (XEP-0388),
which is kept nowhere and told to nobody."""

import hmac
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING

from db.secrets import secret

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

CLIENTS = "clients"
NAME_BYTES = 18


@dataclass(frozen=True, slots=True)
class Access:
    """How the client of a stream, and so of its session, has logged in. `client`: its name here, "" if it has not said
    which one it is. `until`: when the certificate expires that it has logged in with, in seconds since 1970; None for
    other mechanisms."""

    mechanism: str
    client: str = ""
    until: float | None = None


def client_of(server: "Server", identity: str, agent: str) -> str:
    """The name of the client with this id, at the account of this identity; "" for none. It tells nothing of the id,
    and nobody can make it up."""
    return name_of(server, "agent", identity, agent) if agent else ""


def name_of(server: "Server", *what: str) -> str:
    """A name that only this server gives to these words, always the same one."""
    digest = hmac.digest(secret(server.db, CLIENTS), "\0".join(what).encode(), "sha256")
    return urlsafe_b64encode(digest[:NAME_BYTES]).decode()
