"""What components may do in the name of accounts, as the administrator has granted it (XEP-0356)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from db import accounts
from xmpp.config.component_settings import check_domain, home
from xmpp.config.configuration import REQUIRED, setting
from xmpp.data.jid import JID
from xmpp.routing.components import Attached, Components

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

GET, SET, BOTH, NONE = "get", "set", "both", "none"
ACCESS = (NONE, GET, SET, BOTH)


def _check_namespaces(namespaces: Mapping[str, str]) -> None:
    if not set(namespaces.values()) <= set(ACCESS):
        raise ValueError(f"expected for each namespace one of {', '.join(ACCESS)}")


@dataclass(frozen=True)
class Grant:
    """What one component may do. It holds for the accounts of the domain that the component is beneath, or, if it is
    beneath none, for all."""

    component: str = setting(REQUIRED, "The domain of the component.", check=check_domain)
    roster: str = setting(NONE, "Whether it may read the contact lists of accounts (`get`), change them (`set`) or do "
                          "both.", choices=ACCESS)  # fmt: skip
    roster_push: bool = setting(True, "Whether it is told of each change of a contact list that it may read.")
    message: str = setting(NONE, "Whether it may send messages in the name of accounts.", choices=(NONE, "outgoing"))
    presence: str = setting(NONE, "Whether it is told when accounts come and go (`managed_entity`), or sent all "
                            "presence of accounts and of their contacts (`roster`), which needs `roster` to be `get` "
                            "or `both`.",
                            choices=(NONE, "managed_entity", "roster"))  # fmt: skip
    iq: dict[str, str] = setting({}, "Which requests it may send in the name of accounts: for each namespace `get`, "
                                 "`set` or `both`.", check=_check_namespaces)  # fmt: skip

    def __post_init__(self) -> None:
        if self.presence == "roster" and not self.reads_rosters:
            raise ValueError('presence = "roster" needs roster = "get" or "both"')

    @property
    def reads_rosters(self) -> bool:
        """True if it may read contact lists."""
        return self.roster in (GET, BOTH)

    @property
    def hears_of_rosters(self) -> bool:
        """True if it is told of changes of contact lists."""
        return self.reads_rosters and self.roster_push

    def may_ask(self, namespace: str, type: str) -> bool:
        """True if it may send requests of this namespace and type (get, set) in the name of accounts."""
        return self.iq.get(namespace, NONE) in (type, BOTH)

    def may_use_roster(self, type: str | None) -> bool:
        """True if it may send requests of this type for contact lists."""
        return type in (GET, SET) and self.roster in (type, BOTH)


@dataclass(frozen=True)
class PrivilegeSettings:
    """What components may do in the name of accounts (XEP-0356): a component that may write messages or change contact
    lists is trusted as the server itself is."""

    granted: tuple[Grant, ...] = setting((), "The components that may do more than others, each a table of its own.")

    def __post_init__(self) -> None:
        if len(self.by_component) < len(self.granted):
            raise ValueError("granted: expected one table for each component")

    @cached_property
    def by_component(self) -> Mapping[str, Grant]:
        """The grants by the domain of the component."""
        return {grant.component: grant for grant in self.granted}


def domains_of(server: "Server", component: str) -> list[str]:
    """Those of our domains for whose accounts a component may have rights."""
    beneath = home(component, server.domains)
    return [beneath] if beneath else list(server.domains)


def grant_of(server: "Server", sender: JID | None, domain: str) -> Grant | None:
    """What a sender may do for the accounts of a domain of ours; None if nothing. Only a component's own address has
    rights: what is said at other addresses there may be what people of another network say."""
    grant = server.settings(PrivilegeSettings).by_component.get(sender or "")
    return grant if grant is not None and domain in domains_of(server, grant.component) else None


def is_managed(server: "Server", address: JID) -> bool:
    """True for the bare address of an account that is ours and exists."""
    return address.is_bare and bool(address.local) and server.ownership.is_ours(address) and _exists(server, address)


def _exists(server: "Server", account: JID) -> bool:
    return accounts.exists(server.db, account)


def attached_with_grants(server: "Server", domain: str) -> Iterator[tuple[Grant, JID, Attached]]:
    """The components that are attached and may do something for the accounts of a domain of ours."""
    attached = server.state(Components).attached
    for grant in server.settings(PrivilegeSettings).granted:
        if grant.component in attached and domain in domains_of(server, grant.component):
            yield grant, JID.parse(grant.component), attached[grant.component]
