"""The two faces of publish-subscribe: every account (XEP-0163), and the service at pubsub.DOMAIN (XEP-0060)."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from db import blocklists, pubsub_affiliations, pubsub_nodes, pubsub_people, rosters
from db.pubsub_nodes import Node
from handlers.contacts.access import is_blocked, is_blocked_in_part, sees_presence
from handlers.discovery import client_caps, contact_caps
from handlers.pubsub import access, announced
from handlers.pubsub.access import Relation
from handlers.pubsub.configuration import ACCOUNT_NODE, SERVICE_NODE, NodeConfiguration, from_text
from handlers.pubsub.settings import PubSubSettings
from xmpp.data.disco import Identity
from xmpp.data.jid import JID
from xmpp.data.resultsets import PageRequest
from xmpp.routing.feature import Subdomain
from xmpp.routing.portions import leave_undone

if TYPE_CHECKING:
    from xmpp.routing.servers import Server
    from xmpp.routing.session import Session


MOST_IN_LINE = 100
"""How many events of a node may wait to be sent; beyond that a request that changes it is refused."""
FOR_CONTACTS = frozenset({"presence", "roster"})
"""The access models for which owners' rosters are looked at; with others that is spared."""


@dataclass(frozen=True)
class Host(ABC):
    """An address that has nodes. `actor`: the full address of whoever asks for what is done here; None for the server
    itself."""

    server: "Server"
    address: JID
    actor: JID | None = None

    default: ClassVar[NodeConfiguration]

    @abstractmethod
    def may_create(self, asker: JID) -> bool:
        """True if the asker may make nodes here (8.1.1)."""

    @abstractmethod
    def creates_by_publishing(self) -> bool:
        """True if publishing at a node that does not exist creates it, for those who may create nodes (7.1.4)."""

    @abstractmethod
    def is_hidden_from(self, asker: JID, node: Node | None) -> bool:
        """True if the asker must get the same answer as for an account that does not exist. `node`: what it asks for;
        None if there is no such node, or it asks for none."""

    def in_line(
        self,
        node: Node,
        steps: Iterator[object],
        *,
        at_once: bool = True,
        if_lost: Callable[[], bool] = leave_undone,
    ) -> None:
        """Do these steps in portions, after all steps that were begun for this node before: so people are told of what
        happens at a node in the order in which it happens. `if_lost`: as in `Portions.begin`."""
        self.server.portions.begin(self._line(node.name), steps, at_once=at_once, if_lost=if_lost)

    def is_busy(self, node_name: str) -> bool:
        """True if so many events of a node wait to be sent that changes have to be refused."""
        return self.server.portions.length(self._line(node_name)) >= MOST_IN_LINE

    def _line(self, node_name: str) -> tuple[JID, str]:
        return (self.address, node_name)

    def is_apart_from(self, jid: JID) -> bool:
        """True if an account that is ours (bare address) has blocked this host, or this host, being an account, has
        blocked the address."""
        return self.server.ownership.is_ours(jid) and is_blocked(self.server, jid, self.address)

    def unheard_by(self, node: Node, *publishers: JID) -> Callable[[JID], bool]:
        """A function that is true for those (bare addresses) who must hear nothing of this event of a node, since they
        have blocked the host, the actor, one of the `publishers` of the items that it is about, or all owners."""
        server, owners = self.server, self.owners(node)

        def is_unheard(jid: JID) -> bool:
            if self.is_apart_from(jid):
                return True
            if not server.ownership.is_ours(jid) or not blocklists.patterns(server.db, jid):
                return False  # nearly always
            if self.actor is not None and is_blocked(server, jid, self.actor):
                return True
            if any(is_blocked_in_part(server, jid, each) for each in publishers):
                return True
            return bool(owners) and all(is_blocked(server, jid, each) for each in owners)

        return is_unheard

    @abstractmethod
    def owners(self, node: Node) -> Sequence[JID]:
        """The owners (bare addresses) of a node who have agreed to be its owners. Only their rosters decide who may see
        it, only they are named as its owners, and only they are sent what owners are sent."""

    @abstractmethod
    def affiliation(self, node: Node, jid: JID) -> str:
        """The affiliation of a bare address with a node. "owner" also for one that another owner has made it, and that
        has not agreed yet: it is not among `owners`."""

    @abstractmethod
    def affiliations(self, node: Node) -> Mapping[JID, str]:
        """All affiliations with a node, by bare address."""

    @abstractmethod
    def devices(self, node: Node, configuration: NodeConfiguration) -> "Iterator[Session | JID]":
        """The devices that are notified without a subscription, because of their presence: sessions here, and full
        addresses elsewhere."""

    def devices_of(self, contact: JID) -> "Collection[JID]":
        """The known devices (full addresses) of a contact elsewhere (bare address)."""
        return ()

    def note_agreement(self, node: Node, owner: JID) -> None:
        """Note that an owner (bare address) has acted as one, and so agrees to be one."""
        if owner not in self.owners(node):
            pubsub_affiliations.agree(self.server.db, node, owner)

    def relation(self, node: Node, asker: JID) -> Relation:
        """What the asker is to a node and its owners."""
        jid = asker.bare
        is_for_contacts = configuration_of(node).access_model in FOR_CONTACTS
        contact = self._contact(self.owners(node), jid) if is_for_contacts else (False, ())
        return Relation(self.affiliation(node, jid), self._subscription(node, jid), *contact)

    def relations(self, node: Node) -> Callable[[JID, str], Relation]:
        """`relation`, for many people: a function of a bare address, and the state of its subscription."""
        affiliations = self.affiliations(node)
        is_for_contacts = configuration_of(node).access_model in FOR_CONTACTS
        owners = self.owners(node) if is_for_contacts else ()

        def relation(jid: JID, subscription: str) -> Relation:
            contact = self._contact(owners, jid) if owners else (False, ())
            return Relation(affiliations.get(jid, "none"), subscription, *contact)

        return relation

    def _subscription(self, node: Node, jid: JID) -> str:
        found = [each.state for each in pubsub_people.subscriptions_by(self.server.db, node, jid)]
        return "subscribed" if "subscribed" in found else found[0] if found else "none"

    def _contact(self, owners: Sequence[JID], jid: JID) -> tuple[bool, tuple[str, ...]]:
        """Whether any owner that is ours shows its presence to somebody, and in which groups of such rosters they
        are."""
        sees, groups = False, tuple[str, ...]()
        for owner in owners:
            if not self.server.ownership.is_ours(owner) or is_blocked(self.server, owner, jid):
                continue
            if sees_presence(self.server, owner, jid):
                item = rosters.item(self.server.db, owner, jid)
                sees, groups = True, groups + (item.groups if item else ())
        return sees, groups


SUBDOMAIN = Subdomain(
    "pubsub", identity=Identity("pubsub", "service", "Publish-Subscribe"), disco=announced.SERVICE_FEATURES
)


class Account(Host):
    """An account's own nodes, for those who see its presence; open nodes are for everybody."""

    default = ACCOUNT_NODE

    def may_create(self, asker: JID) -> bool:
        return asker.bare == self.address

    def creates_by_publishing(self) -> bool:
        return True

    def is_hidden_from(self, asker: JID, node: Node | None) -> bool:
        if sees_presence(self.server, self.address, asker):
            return False
        if node is None:
            return not self._knows_any(asker.bare)
        return not access.is_for_strangers(configuration_of(node), self.relation(node, asker))

    def _knows_any(self, jid: JID) -> bool:
        db = self.server.db
        affiliations = pubsub_affiliations.affiliations_of(db, self.address, jid)
        return (
            any(affiliation != "outcast" for _, affiliation in affiliations)
            or pubsub_people.count_subscriptions_of(db, self.address, jid) > 0
        )

    def is_apart_from(self, jid: JID) -> bool:
        return is_blocked(self.server, self.address, jid) or super().is_apart_from(jid)

    def owners(self, node: Node) -> Sequence[JID]:
        return [self.address]

    def affiliation(self, node: Node, jid: JID) -> str:
        return "owner" if jid == self.address else pubsub_affiliations.affiliation(self.server.db, node, jid)

    def affiliations(self, node: Node) -> Mapping[JID, str]:
        return {**pubsub_affiliations.affiliations(self.server.db, node), self.address: "owner"}

    def devices(self, node: Node, configuration: NodeConfiguration) -> "Iterator[Session | JID]":
        """The account's own devices and those of its contacts, if they want to hear of this node (4.3)."""
        yield from self._interested(self.address, f"{node.name}+notify")
        yield from self._devices_of_contacts(node, configuration, f"{node.name}+notify")

    def _devices_of_contacts(
        self, node: Node, configuration: NodeConfiguration, interest: str
    ) -> "Iterator[Session | JID]":
        # There may be thousands: the checks that cost least, and rule out most, come first
        db, roster = self.server.db, rosters.roster(self.server.db, self.address)
        affiliations = pubsub_affiliations.affiliations(db, node)
        refusals = access.Refusals(configuration)
        contacts: Iterable[JID] = roster.subscribers
        if configuration.access_model == "whitelist":
            contacts = affiliations.keys() & set(contacts) if affiliations else ()
        elsewhere = self._interested_elsewhere(interest)
        for contact in contacts:
            devices = elsewhere.get(contact) or self._interested(contact, interest)
            if not devices or self.is_apart_from(contact):
                continue
            item = rosters.item(db, self.address, contact)  # it may have changed since the first step
            if item is None or not item.is_subscriber:
                continue
            relation = Relation(affiliations.get(contact, "none"), "none", True, item.groups)
            if refusals[relation] is None:
                yield from devices

    def devices_of(self, contact: JID) -> "Collection[JID]":
        return contact_caps.wanted_by_devices(self.server, self.address, contact).keys()

    def _interested_elsewhere(self, interest: str) -> dict[JID, list[JID]]:
        found = dict[JID, list[JID]]()
        for jid in contact_caps.those_that_want(self.server, self.address, interest):
            found.setdefault(jid.bare, []).append(jid)
        return found

    def _interested(self, account: JID, interest: str) -> "list[Session]":
        theirs = self.server.ownership.available(account) or ()
        return [each for each in theirs if client_caps.supports(each, interest)]


class Service(Host):
    """The service of a domain."""

    default = SERVICE_NODE

    def may_create(self, asker: JID) -> bool:
        home = self.server.subdomains.home[self.address.domain]
        match self.server.settings_at(home, PubSubSettings).creators:
            case "everybody":
                return True
            case "accounts":
                return bool(asker.local) and asker.domain == home
        return False

    def creates_by_publishing(self) -> bool:
        return False

    def is_hidden_from(self, asker: JID, node: Node | None) -> bool:
        return False

    def owners(self, node: Node) -> Sequence[JID]:
        return pubsub_affiliations.owners(self.server.db, node)

    def affiliation(self, node: Node, jid: JID) -> str:
        return pubsub_affiliations.affiliation(self.server.db, node, jid)

    def affiliations(self, node: Node) -> Mapping[JID, str]:
        return pubsub_affiliations.affiliations(self.server.db, node)

    def devices(self, node: Node, configuration: NodeConfiguration) -> "Iterator[Session | JID]":
        return iter(())


def services(server: "Server") -> "Iterator[Service]":
    """The service of each domain."""
    for address in server.subdomains.addresses(SUBDOMAIN):
        yield Service(server, JID.parse(address))


def host_at(server: "Server", address: JID, actor: JID | None) -> Host:
    """The host at an address: the account, or the service if there is no localpart. `actor` as in Host."""
    return (Account if address.local else Service)(server, address.bare, actor)


def find(host: Host, name: str) -> Node | None:
    """The node of that name at a host; None if there is none."""
    return pubsub_nodes.get(host.server.db, host.address, name)


def nodes(host: Host, asked: PageRequest, count: int) -> list[Node]:
    """Up to `count` nodes of a host, in the direction in which the page goes: backwards if it has a `before`."""
    db = host.server.db
    if asked.before is not None:
        return pubsub_nodes.of_host_backwards(db, host.address, before=asked.before, count=count)
    return pubsub_nodes.of_host(db, host.address, after=asked.after or "", count=count)


def configuration_of(node: Node) -> NodeConfiguration:
    """How a node is configured."""
    return from_text(node.configuration)
