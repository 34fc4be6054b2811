"""Service discovery (XEP-0030 section 3, XEP-0128): what an entity says about itself, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from lxml import etree

from xmpp.data import dataforms, names
from xmpp.data.dataforms import FieldType

INFO = "http://jabber.org/protocol/disco#info"
ITEMS = "http://jabber.org/protocol/disco#items"
INFO_QUERY = f"{{{INFO}}}query"
ITEMS_QUERY = f"{{{ITEMS}}}query"
IDENTITY = f"{{{INFO}}}identity"
FEATURE = f"{{{INFO}}}feature"


class Identity(NamedTuple):
    """What an entity is, by the registry of XEP-0030 section 10.2."""

    category: str
    type: str
    name: str = ""
    lang: str = ""


@dataclass(frozen=True, order=True)
class Form:
    """More about an entity: the values of a data form, by field; in forms that we send, also the types of fields."""

    form_type: str
    fields: tuple[tuple[str, tuple[str, ...]], ...]
    types: Mapping[str, FieldType] = field(default_factory=dict, compare=False)

    def element(self) -> etree._Element:
        """The form. Fields without a type are text-single (XEP-0004 section 3.2)."""
        types: Mapping[str, FieldType] = {var: self.types.get(var, "text-single") for var, _ in self.fields}
        return dataforms.result(self.form_type, dict(self.fields), types)


@dataclass(frozen=True)
class Info:
    """All that one entity says about itself. Nothing in it may be there twice (XEP-0115 section 5.4)."""

    identities: tuple[Identity, ...]
    features: frozenset[str]
    forms: tuple[Form, ...] = ()

    @classmethod
    def read(cls, query: etree._Element, language: str = "") -> Self:
        """Read the answer to a query. Raises ValueError if it is ill-formed (XEP-0115 section 5.4).

        `language` is that of identities without one of their own. Everything except identities, features, and forms
        with a FORM_TYPE is ignored.
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
