"""What an entity tells about itself (XEP-0030 section 3, XEP-0128): identities, features and forms, as data."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from lxml import etree

from xmpp.config.configuration import setting
from xmpp.data import dataforms, names
from xmpp.data.dataforms import FieldType
from xmpp.routing.feature import Feature

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

INFO = "http://jabber.org/protocol/disco#info"
ITEMS = "http://jabber.org/protocol/disco#items"
INFO_QUERY = f"{{{INFO}}}query"
IDENTITY = f"{{{INFO}}}identity"
FEATURE = f"{{{INFO}}}feature"
SERVER_INFO = "http://jabber.org/network/serverinfo"


class Identity(NamedTuple):
    """What kind of thing an entity is, by the registry of XEP-0030 section 10.2."""

    category: str
    type: str
    name: str = ""
    lang: str = ""


@dataclass(frozen=True, order=True)
class Form:
    """More about an entity: the values of a data form, by field; and, for those that are sent, the types of these."""

    form_type: str
    fields: tuple[tuple[str, tuple[str, ...]], ...]
    types: Mapping[str, FieldType] = field(default_factory=dict, compare=False)

    def element(self) -> etree._Element:
        """The form; what is not said to be of another type is text-single (XEP-0004 section 3.2)."""
        types: Mapping[str, FieldType] = {var: self.types.get(var, "text-single") for var, _ in self.fields}
        return dataforms.result(self.form_type, dict(self.fields), types)


@dataclass(frozen=True)
class Info:
    """All that one entity tells about itself. No two of a kind: such an answer would be ill-formed (XEP-0115 5.4)."""

    identities: tuple[Identity, ...]
    features: frozenset[str]
    forms: tuple[Form, ...] = ()

    @classmethod
    def read(cls, query: etree._Element, language: str = "") -> Self:
        """What the answer to a query says; raises ValueError where it is ill-formed (XEP-0115 section 5.4).

        `language` is what identities speak that name none of their own. What is no identity, feature, or form with a
        FORM_TYPE is passed over.
        """
        language = query.get(names.XML_LANG, language)
        identities = [_read_identity(element, language) for element in query.iterchildren(IDENTITY)]
        features = [element.get("var", "") for element in query.iterchildren(FEATURE)]
        forms = [form for x in query.iterchildren(dataforms.X) if (form := _read_form(x)) is not None]
        for each in (identities, features, [form.form_type for form in forms]):
            if len(set(each)) != len(each):
                raise ValueError("two identities, features or forms of a kind")
        return cls(tuple(identities), frozenset(features), tuple(forms))

    def element(self, node: str | None = None) -> etree._Element:
        """The answer to a query, which mirrors the query's node (XEP-0030 section 3.2)."""
        query = etree.Element(INFO_QUERY, {} if node is None else {"node": node}, nsmap={None: INFO})
        for identity in self.identities:
            query.append(_identity_element(identity))
        for var in sorted(self.features):
            etree.SubElement(query, f"{{{INFO}}}feature", var=var)
        for form in self.forms:
            query.append(form.element())
        return query


def _identity_element(identity: Identity) -> etree._Element:
    element = etree.Element(f"{{{INFO}}}identity", category=identity.category, type=identity.type, nsmap={None: INFO})
    if identity.name:
        element.set("name", identity.name)
    if identity.lang:
        element.set(names.XML_LANG, identity.lang)
    return element


def _read_identity(element: etree._Element, language: str) -> Identity:
    get = element.get
    return Identity(get("category", ""), get("type", ""), get("name", ""), get(names.XML_LANG, language))


def _read_form(x: etree._Element) -> Form | None:
    """A form that says what it is, or None (XEP-0115 section 5.4: others are ignored)."""
    hidden = [field.get("var") for field in x.iterchildren(dataforms.FIELD) if field.get("type") == "hidden"]
    if "FORM_TYPE" not in hidden:
        return None
    fields = dataforms.values_of(x)
    form_types = set(fields.pop("FORM_TYPE"))
    if len(form_types) != 1:
        raise ValueError("a form with no type, or with two")
    return Form(form_types.pop(), tuple(fields.items()))


def _valid_uris(addresses: Iterable[str]) -> None:
    for address in addresses:
        scheme, colon, rest = address.partition(":")
        if not (scheme.isalnum() and colon and rest) or "<" in address or any(map(str.isspace, address)):
            raise ValueError("expected addresses like mailto:abuse@example.org or xmpp:support@example.org")


def _plain(name: str) -> None:
    if "<" in name:  # which ends a part in what is hashed for XEP-0115
        raise ValueError("expected a name without <")


def _contacts(role: str) -> Any:
    return setting((), f"Addresses for {role}, as URIs: mailto:, xmpp: or https:.", check=_valid_uris)


@dataclass(frozen=True)
class DiscoSettings:
    """What others can find out about this server: its name, and whom to contact (XEP-0157)."""

    name: str = setting("", "The name of the service, for people to read.", check=_plain)
    abuse: tuple[str, ...] = _contacts("reports of abuse")
    admin: tuple[str, ...] = _contacts("whoever runs the server")
    feedback: tuple[str, ...] = _contacts("praise and complaints")
    sales: tuple[str, ...] = _contacts("sales and marketing")
    security: tuple[str, ...] = _contacts("security concerns")
    status: tuple[str, ...] = _contacts("news about outages")
    support: tuple[str, ...] = _contacts("users who need help")


ROLES = ("abuse", "admin", "feedback", "sales", "security", "status", "support")


def domain_info(server: "Server") -> Info:
    """What a domain tells about itself."""
    features = (feature for feature in server.registry.features if _is_announced(server, feature))
    return _domain_info(frozenset(var for feature in features for var in feature.disco), server.settings(DiscoSettings))


def _is_announced(server: "Server", feature: Feature) -> bool:
    if feature.announced_if is None or feature.settings is None:
        return True
    return feature.announced_if(server.settings(feature.settings))


@lru_cache(maxsize=16)  # one entry for each configuration since the start
def _domain_info(announced: frozenset[str], settings: DiscoSettings) -> Info:
    return Info((Identity("server", "im", settings.name),), announced, _contact_forms(settings))


def account_info(server: "Server") -> Info:
    """What an account tells about itself."""
    announced = frozenset(var for feature in server.registry.features for var in feature.account_disco)
    return Info((Identity("account", "registered"), Identity("pubsub", "pep")), announced)  # XEP-0163 section 6.1


def _contact_forms(settings: DiscoSettings) -> tuple[Form, ...]:
    fields = tuple(
        (f"{role}-addresses", addresses)
        for role in ROLES
        if (addresses := tuple(dict.fromkeys(getattr(settings, role))))
    )
    return (Form(SERVER_INFO, fields, {var: "list-multi" for var, _ in fields}),) if fields else ()
