"""The two faces of publish-subscribe: every account (XEP-0163), and the service at pubsub.DOMAIN (XEP-0060)."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from db import blocklists, pubsub_affiliations, pubsub_nodes, pubsub_people, rosters
from db.pubsub_nodes import Node
from handlers.contacts.access import is_at_home, is_blocked, is_blocked_in_part, sees_presence
from handlers.discovery import client_caps, contact_caps
from handlers.pubsub import access, announced
from handlers.pubsub.access import Relation
from handlers.pubsub.configuration import ACCOUNT_NODE, SERVICE_NODE, NodeConfiguration, from_text
from handlers.pubsub.settings import PubSubSettings
from xmpp.data.disco import Identity
from xmpp.data.jid import JID
from xmpp.data.resultsets import PageRequest
from xmpp.routing.feature import Subdomain

if TYPE_CHECKING:
    from xmpp.routing.servers import Server
    from xmpp.routing.session import Session


MOST_IN_LINE = 100
"""So many events of a node wait to be told; who causes them has to wait before anything else (`Portions`)."""
FOR_CONTACTS = frozenset({"presence", "roster"})
"""The access models that ask whom the owners show their presence; with the others nobody looks."""


@dataclass(frozen=True)
class Host(ABC):
    """Where nodes are: by its address. `actor` is who has asked for what is done here, by its full address."""

    server: "Server"
    address: JID
    actor: JID | None = None

    default: ClassVar[NodeConfiguration]

    @abstractmethod
    def may_create(self, asker: JID) -> bool:
        """Whether somebody may make nodes here (8.1.1)."""

    @abstractmethod
    def creates_by_publishing(self) -> bool:
        """Whether who may create a node does so by publishing at it (7.1.4)."""

    @abstractmethod
    def is_hidden_from(self, asker: JID, node: Node | None) -> bool:
        """Whether somebody is not to learn that there is anything at all: is answered as if there were no account."""

    def in_line(self, node: Node, steps: Iterator[object], *, at_once: bool = True) -> None:
        """Do what is to be done at a node for many, after all that was to be done there before: in portions, so that
        all that happens at a node is told in the order in which it has happened."""
        self.server.portions.begin(self._line(node.name), steps, at_once=at_once)

    def is_busy(self, node_name: str) -> bool:
        """Whether so much is still to be told of a node that nothing more is to happen at it now."""
        return self.server.portions.length(self._line(node_name)) >= MOST_IN_LINE

    def _line(self, node_name: str) -> tuple[JID, str]:
        return (self.address, node_name)

    def is_apart_from(self, jid: JID) -> bool:
        """Whether somebody here has blocked this host (bare address); an account has a list of its own, too."""
        return self.server.ownership.is_ours(jid) and is_blocked(self.server, jid, self.address)

    def unheard_by(self, node: Node, *publishers: JID) -> Callable[[JID], bool]:
        """Whether somebody (bare address) is to hear nothing of what is told of a node now: it has blocked the host,
        who has asked for this, one of those who once published what it is about, or whoever owns the node."""
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
        """The owners of a node who have agreed to be it, by their bare addresses: their rosters count for who may see
        the node, they are named as its owners, and are asked and told what owners are."""

    @abstractmethod
    def affiliation(self, node: Node, jid: JID) -> str:
        """What a bare address is to a node. It may be an owner without being one of `owners`: somebody has made it one,
        and it has not agreed."""

    @abstractmethod
    def affiliations(self, node: Node) -> Mapping[JID, str]:
        """All that are something to a node, by their bare addresses."""

    @abstractmethod
    def devices(self, node: Node, configuration: NodeConfiguration) -> "Iterator[Session | JID]":
        """Those that are notified because of presence, without a subscription: sessions here, and the full addresses of
        devices elsewhere."""

    def devices_of(self, contact: JID) -> "Collection[JID]":
        """The devices elsewhere that are known of a contact (bare address)."""
        return ()

    def note_agreement(self, node: Node, owner: JID) -> None:
        """An owner (bare address) has acted as one: it agrees to be it."""
        if owner not in self.owners(node):
            pubsub_affiliations.agree(self.server.db, node, owner)

    def relation(self, node: Node, asker: JID) -> Relation:
        """What somebody is to a node and its owners."""
        jid = asker.bare
        is_for_contacts = configuration_of(node).access_model in FOR_CONTACTS
        contact = self._contact(self.owners(node), jid) if is_for_contacts else (False, ())
        return Relation(self.affiliation(node, jid), self._subscription(node, jid), *contact)

    def relations(self, node: Node) -> Callable[[JID, str], Relation]:
        """`relation`, for whoever looks at many: takes a bare address, and the state of its subscription."""
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
        """Whether an owner shows its presence to somebody, and the groups of its roster that they are in."""
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
    """An account as a service, for those who see its presence; open nodes are for everybody."""

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
        # There may be thousands. What costs least, and leaves out most, comes first
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
            item = rosters.item(db, self.address, contact)  # others may have had their turns since
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
        match self.server.settings(PubSubSettings).creators:
            case "everybody":
                return True
            case "accounts":
                return is_at_home(self.server, asker)
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
    """The host of that address: an account's bare address, or that of the service."""
    return (Account if address.local else Service)(server, address.bare, actor)


def find(host: Host, name: str) -> Node | None:
    """The node of that name at a host."""
    return pubsub_nodes.get(host.server.db, host.address, name)


def nodes(host: Host, asked: PageRequest, count: int) -> list[Node]:
    """So many of the nodes of a host, as a page goes on: backwards, if what comes before something is asked for."""
    db = host.server.db
    if asked.before is not None:
        return pubsub_nodes.of_host_backwards(db, host.address, before=asked.before, count=count)
    return pubsub_nodes.of_host(db, host.address, after=asked.after or "", count=count)


def configuration_of(node: Node) -> NodeConfiguration:
    """How a node is configured."""
    return from_text(node.configuration)
