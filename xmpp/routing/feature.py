"""How a feature says what it does: the declaration API.

A handler file makes one Feature and registers its functions with it. A declaration holds no running state, so two
servers can be built from the same features. What does not depend on order is declared here; what does is listed in the
tables of handlers/tables.py.

    feature = Feature("ping", xep="0199", disco=["urn:xmpp:ping"])

    @feature.iq_get("{urn:xmpp:ping}ping", to=[SERVER, ACCOUNT])
    def answer_ping(server, iq):
        return None
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from lxml import etree

from xmpp.data.disco import Identity
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.routing.delivery import AnyStep, Step
from xmpp.routing.tables import Table

if TYPE_CHECKING:
    from xmpp.routing.servers import Server
    from xmpp.routing.streams import Stream


class Addressee:
    """Whom an iq is for. Each addressee is one object, compared by identity."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


OWN = Addressee("OWN")  # the sender's own account: its bare address, or no `to`
ACCOUNT = Addressee("ACCOUNT")  # any account's bare address; the handler checks whether the sender may ask
# Anybody else's bare address, whether there is such an account or not: the answer must not show which.
ADDRESS = Addressee("ADDRESS")
SERVER = Addressee("SERVER")  # a domain that is served here
SERVICE = Addressee("SERVICE")  # a service of any feature, at its own domain
STREAM = Addressee("STREAM")  # the stream itself, before a resource is bound: registration, binding


class Subdomain:
    """The domains of a feature's service: one beneath each domain that is served, such as pubsub.example.org.

    `label` comes before the domain; the feature's setting `label_setting`, if given, replaces it. `identity` and the
    features `disco` are what the service announces (XEP-0030). All stanzas to it run through the table `received`. A
    request that gets past all steps is for the `service` itself, or for a `bare` or a `full` address at it, such as a
    room or an occupant; a message that gets past all steps is refused.
    """

    def __init__(self, label: str, *, identity: Identity, disco: Iterable[str] = (), label_setting: str = "") -> None:
        self.label = label
        self.label_setting = label_setting
        self.identity = identity
        self.disco = frozenset(disco)
        self.service = Addressee(f"{label}.service")
        self.bare = Addressee(f"{label}.bare")
        self.full = Addressee(f"{label}.full")
        self.received = Table[Step](f"{label.upper()}_RECEIVED")

    def addressees(self, address: JID) -> tuple[Addressee, ...]:
        """Whom a request to this address may be for, most particular first."""
        if not address.local:
            return (self.service, SERVICE)
        return (self.bare if address.is_bare else self.full,)


class State(Enum):
    """How far a stream has come."""

    NEW = auto()  # no header yet
    INSECURE = auto()  # headers exchanged, and only STARTTLS is offered (RFC 6120 section 5.3.1)
    OPEN = auto()  # headers exchanged, nobody logged in
    AUTHENTICATED = auto()  # logged in, no resource
    BOUND = auto()  # a session
    CLOSED = auto()


IqHandler = Callable[["Server", Stanza], etree._Element | bytes | None]
ElementHandler = Callable[["Server", "Stream", etree._Element], None]
StreamFeature = Callable[["Stream"], etree._Element | None]


@dataclass(frozen=True, eq=False)  # no two are the same
class Feature:
    """One protocol: its name in the configuration, what it announces, what it handles.

    `disco` are the features that a domain announces (XEP-0030), `account_disco` those of an account, and
    `account_identities` the identities that it gives an account. `settings` is a frozen dataclass whose fields come
    from xmpp.config.configuration.setting; `announced_if(settings)` is false if `disco` is not to be announced.
    `by_default`: the feature is on unless the configuration says otherwise; `optional`: it can be switched off. It is
    off whenever one of the features that it `needs` is off. `subdomains` are the domains of its services;
    `service_disco`: what it adds to what services of other features announce.
    """

    name: str
    xep: str = ""
    rfc: str = ""
    disco: Iterable[str] = ()
    account_disco: Iterable[str] = ()
    account_identities: Iterable[Identity] = ()
    settings: type | None = None
    announced_if: Callable[[Any], bool] | None = None
    by_default: bool = True
    optional: bool = True
    needs: Iterable[str] = ()
    subdomains: Iterable[Subdomain] = ()
    service_disco: Mapping[Subdomain, Iterable[str]] = field(default_factory=dict)
    iqs: dict[tuple[str, str, Addressee], IqHandler] = field(default_factory=dict)
    disco_nodes: dict[Addressee, IqHandler] = field(default_factory=dict)
    elements: dict[tuple[str, State], ElementHandler] = field(default_factory=dict)
    stream_features: list[tuple[State, StreamFeature]] = field(default_factory=list)
    steps: list[Callable[..., Any]] = field(default_factory=list)

    def iq_get(self, tag: str, to: Iterable[Addressee] = (OWN,)) -> Callable[[IqHandler], IqHandler]:
        """Declare what answers an iq of type get: f(server, iq) -> payload or None, or raises StanzaError.

        A payload is an element, or its bytes as xmpp.data.wire writes them.
        """
        return self._iq("get", tag, to)

    def iq_set(self, tag: str, to: Iterable[Addressee] = (OWN,)) -> Callable[[IqHandler], IqHandler]:
        """Declare what answers an iq of type set, in the same way."""
        return self._iq("set", tag, to)

    def disco_node(self, at: Iterable[Addressee]) -> Callable[[IqHandler], IqHandler]:
        """Declare what answers disco queries for nodes of these addressees (XEP-0030 section 3.2): f(server, iq).

        None says that there is no such node. What is declared for OWN answers the owner of an account, before ACCOUNT.
        """

        def declare(handler: IqHandler) -> IqHandler:
            self.disco_nodes.update(dict.fromkeys(at, handler))
            return handler

        return declare

    def element(self, tag: str, when: State) -> Callable[[ElementHandler], ElementHandler]:
        """Declare what handles a top-level element that is no stanza: f(server, stream, element)."""

        def declare(handler: ElementHandler) -> ElementHandler:
            self.elements[tag, when] = handler
            return handler

        return declare

    def stream_feature(self, when: State) -> Callable[[StreamFeature], StreamFeature]:
        """Declare a child of <stream:features/>: f(stream) -> element, or None if this stream is not offered it."""

        def declare(provider: StreamFeature) -> StreamFeature:
            self.stream_features.append((when, provider))
            return provider

        return declare

    def step(self, step: AnyStep) -> AnyStep:
        """Declare that a step of the tables is this feature's: if the feature is off, the step drops out."""
        self.steps.append(step)
        return step

    def _iq(self, type: str, tag: str, to: Iterable[Addressee]) -> Callable[[IqHandler], IqHandler]:
        def declare(handler: IqHandler) -> IqHandler:
            for addressee in to:
                self.iqs[type, tag, addressee] = handler
            return handler

        return declare


class DuplicateHandler(Exception):
    """Two features claim the same key: a mistake in the code, found at start-up."""


class Switched(Protocol):
    """What can be switched off, or depends on what can be."""

    @property
    def name(self) -> str:
        """Its name in the configuration."""

    @property
    def needs(self) -> Iterable[str]:
        """The names of what it cannot do without."""


SwitchedThing = TypeVar("SwitchedThing", bound=Switched)


def those_on(
    things: Iterable[SwitchedThing], is_enabled: Callable[[str], bool], given: Iterable[str] = ()
) -> tuple[SwitchedThing, ...]:
    """Those, such as features, that are switched on, together with all that they need of each other and of what is
    `given` by its name."""
    found, given = {thing.name: thing for thing in things if is_enabled(thing.name)}, set(given)
    while lacking := {name for name, thing in found.items() if not found.keys() | given >= set(thing.needs)}:
        found = {name: thing for name, thing in found.items() if name not in lacking}
    return tuple(found.values())


@dataclass(frozen=True, eq=False)
class Registry:
    """What all features of one server declare, for look-up by key."""

    features: tuple[Feature, ...]
    iqs: dict[tuple[str, str, Addressee], IqHandler]
    disco_nodes: dict[Addressee, IqHandler]
    elements: dict[tuple[str, State], ElementHandler]
    stream_features: dict[State, tuple[StreamFeature, ...]]

    @classmethod
    def of(cls, features: Iterable[Feature]) -> "Registry":
        """Merge the declarations of these features. Raises DuplicateHandler."""
        features = tuple(features)
        return cls(
            features,
            iqs=_merged(features, "iqs"),
            disco_nodes=_merged(features, "disco_nodes"),
            elements=_merged(features, "elements"),
            stream_features={
                state: tuple(provide for each in features for when, provide in each.stream_features if when is state)
                for state in State
            },
        )

    @property
    def element_tags(self) -> frozenset[str]:
        """The tags, other than those of stanzas, that may stand at the top level of a stream."""
        return frozenset(tag for tag, _ in self.elements)


class Subdomains:
    """The subdomains of a server: which one answers at an address, and the addresses beneath each of the `domains`.

    `settings(of)` gives the settings of a feature, by their class. `given_up`: those whose address is one of `others`,
    which something else answers at.
    """

    def __init__(
        self,
        features: Iterable[Feature],
        settings: Callable[[type], Any],
        domains: Iterable[str],
        others: Collection[str] = (),
    ) -> None:
        self.given_up: dict[str, Subdomain] = {}
        self.by_address: dict[str, Subdomain] = {}
        self.by_domain: dict[str, list[str]] = {}
        self.home: dict[str, str] = {}  # of each address the domain that it is beneath
        labels = [
            (_label(subdomain, feature, settings), subdomain)
            for feature in features
            for subdomain in feature.subdomains
        ]
        for domain in domains:
            found = {f"{label}.{domain}": subdomain for label, subdomain in labels}
            self.given_up |= {address: found.pop(address) for address in others if address in found}
            self.by_domain[domain] = [*found]
            self.by_address.update(found)
            self.home |= dict.fromkeys(found, domain)

    def addresses(self, subdomain: Subdomain) -> list[str]:
        """The addresses of this one, in the order of the domains."""
        return [address for address, found in self.by_address.items() if found is subdomain]

    def address(self, subdomain: Subdomain, domain: str) -> str | None:
        """The address of this one beneath one of the domains; None if something else answers there, or it is off."""
        return next((each for each in self.by_domain[domain] if self.by_address[each] is subdomain), None)


def _label(subdomain: Subdomain, feature: Feature, settings: Callable[[type], Any]) -> str:
    if feature.settings is None or not subdomain.label_setting:
        return subdomain.label
    label: str = getattr(settings(feature.settings), subdomain.label_setting)
    return label


def _merged(features: Iterable[Feature], what: str) -> dict[Any, Any]:
    merged: dict[Any, Any] = {}
    claimed: dict[Any, str] = {}
    for feature in features:
        for key, handler in getattr(feature, what).items():
            if key in merged:
                raise DuplicateHandler(f"{key} is handled by both {claimed[key]} and {feature.name}")
            merged[key], claimed[key] = handler, feature.name
    return merged
