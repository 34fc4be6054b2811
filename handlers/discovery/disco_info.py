"""What a domain and an account say about themselves (XEP-0030 section 3), as features have declared it; and whom to
contact (XEP-0157)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xmpp.config.configuration import Configuration, setting
from xmpp.data.disco import Form, Identity, Info
from xmpp.routing.feature import Feature

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

SERVER_INFO = "http://jabber.org/network/serverinfo"


def _valid_uris(addresses: Iterable[str]) -> None:
    for address in addresses:
        scheme, colon, rest = address.partition(":")
        if not (scheme.isalnum() and colon and rest) or "<" in address or any(map(str.isspace, address)):
            raise ValueError("expected addresses like mailto:abuse@example.org or xmpp:support@example.org")


def _plain(name: str) -> None:
    if "<" in name:  # it would make the hash of XEP-0115 ambiguous
        raise ValueError("expected a name without <")


def _contacts(role: str) -> Any:
    return setting((), f"Addresses for {role}, as URIs: mailto:, xmpp: or https:.", check=_valid_uris, by_domain=True)


@dataclass(frozen=True)
class DiscoSettings:
    """What others can find out about this server: its name, and whom to contact (XEP-0157)."""

    name: str = setting("", "The name of the service, for people to read.", check=_plain, by_domain=True)
    abuse: tuple[str, ...] = _contacts("reports of abuse")
    admin: tuple[str, ...] = _contacts("whoever runs the server")
    feedback: tuple[str, ...] = _contacts("praise and complaints")
    sales: tuple[str, ...] = _contacts("sales and marketing")
    security: tuple[str, ...] = _contacts("security concerns")
    status: tuple[str, ...] = _contacts("news about outages")
    support: tuple[str, ...] = _contacts("users who need help")


ROLES = ("abuse", "admin", "feedback", "sales", "security", "status", "support")


class Nested:
    """What is announced of namespaces that somebody else answers for in place of the server, among what its domains and
    its accounts announce (XEP-0355 section "Nesting"). A server has one; each change replaces the mappings."""

    def __init__(self) -> None:
        self.domain: Mapping[str, Info] = {}
        self.account: Mapping[str, Info] = {}


class DomainInfo:
    """What the domains of a server say about themselves, by domain, for one configuration. A server has one."""

    def __init__(self) -> None:
        self.configuration: Configuration | None = None
        self.nested: Mapping[str, Info] = {}
        self.infos: dict[str, Info] = {}


def domain_info(server: "Server", domain: str) -> Info:
    """What a domain of ours says about itself. It stays the same object until another configuration is loaded, or
    somebody says what is nested in it."""
    kept, nested = server.state(DomainInfo), server.state(Nested).domain
    if kept.configuration is not server.configuration or kept.nested is not nested:
        kept.configuration, kept.nested, kept.infos = server.configuration, nested, {}
    info = kept.infos.get(domain)
    if info is None:
        info = kept.infos[domain] = _with_nested(_domain_info(server, domain), nested)
    return info


def _with_nested(info: Info, nested: Mapping[str, Info]) -> Info:
    """The information with what is said of these namespaces, in place of what it says of them itself."""
    for namespace, added in nested.items():
        own = frozenset(var for var in info.features if not _is_of(var, namespace))
        forms = tuple(form for form in info.forms if not _is_of(form.form_type, namespace))
        info = Info(
            tuple(dict.fromkeys(info.identities + added.identities)),
            own | added.features,
            forms + tuple(form for form in added.forms if form.form_type not in {each.form_type for each in forms}),
        )
    return info


def _is_of(var: str, namespace: str) -> bool:
    return var == namespace or var.startswith(f"{namespace}#")


def _domain_info(server: "Server", domain: str) -> Info:
    features = (feature for feature in server.registry.features if _is_announced(server, feature))
    announced = frozenset(var for each in features for var in each.disco)
    settings = server.settings_at(domain, DiscoSettings)
    return Info((Identity("server", "im", settings.name),), announced, _contact_forms(settings))


def _is_announced(server: "Server", feature: Feature) -> bool:
    if feature.announced_if is None or feature.settings is None:
        return True
    return feature.announced_if(server.settings(feature.settings))


def account_info(server: "Server") -> Info:
    """What an account says about itself."""
    features = server.registry.features
    identities = tuple(identity for feature in features for identity in feature.account_identities)
    info = Info(identities, frozenset(var for feature in features for var in feature.account_disco))
    return _with_nested(info, server.state(Nested).account)


def _contact_forms(settings: DiscoSettings) -> tuple[Form, ...]:
    fields = tuple(
        (f"{role}-addresses", addresses)
        for role in ROLES
        if (addresses := tuple(dict.fromkeys(getattr(settings, role))))
    )
    return (Form(SERVER_INFO, fields, {var: "list-multi" for var, _ in fields}),) if fields else ()
