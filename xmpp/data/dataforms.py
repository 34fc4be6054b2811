"""Data forms (XEP-0004) with a FORM_TYPE (XEP-0068): fields in, an element out; a submitted element in, values out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lxml import etree

from xmpp.data import names
from xmpp.data.jid import JID, AddressReader, MalformedJID, TooManyAddresses

NAMESPACE = "jabber:x:data"
X = "{jabber:x:data}x"
FIELD = "{jabber:x:data}field"
VALUE = "{jabber:x:data}value"
VALIDATION = "http://jabber.org/protocol/xdata-validate"
VALIDATE = f"{{{VALIDATION}}}validate"

FieldType = Literal[
    "boolean",
    "hidden",
    "jid-multi",
    "jid-single",
    "list-multi",
    "list-single",
    "text-multi",
    "text-private",
    "text-single",
]
MULTIPLE: frozenset[FieldType] = frozenset({"hidden", "jid-multi", "list-multi", "text-multi"})  # section 3.2


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a form. `options` are the choices of a list, by value, with their labels; `values` what is filled in
    already. A list that `is_open` takes other values too, and a text `within` two numbers is one from the first to the
    second (XEP-0122).
    """

    var: str
    type: FieldType = "text-single"
    label: str = ""
    values: Sequence[str] = ()
    required: bool = False
    options: Mapping[str, str] | None = None
    is_open: bool = False
    within: tuple[int, int] | None = None


def form(form_type: str, fields: Sequence[Field], *, title: str = "", instructions: str = "") -> etree._Element:
    """The form to fill in."""
    x = _start("form", form_type)
    for name, text in (("title", title), ("instructions", instructions)):
        if text:
            _add(x, name).text = text
    for field in fields:
        _add_field(x, field)
    return x


def result(form_type: str, values: Mapping[str, Sequence[str]], types: Mapping[str, FieldType]) -> etree._Element:
    """The values as a form of type result (XEP-0128, XEP-0157). The types of fields are optional (section 3.2), but
    clients take a field without one for text-single, and do not show it if it has several values."""
    x = _start("result", form_type)
    for var, several in values.items():
        _add_values(_add(x, "field", var=var, type=types[var]), several)
    return x


def answer(form_type: str, *fields: Field) -> etree._Element:
    """The same for people, who are shown the labels of the fields; where there is none clients show `var`."""
    x = _start("result", form_type)
    for field in fields:
        _add_field(x, field)
    return x


def types_of(fields: Iterable[Field]) -> Mapping[str, FieldType]:
    """The types of fields, for `result`."""
    return {field.var: field.type for field in fields}


def report(
    form_type: str, fields: Sequence[Field], rows: Iterable[Mapping[str, str]], *, title: str = ""
) -> etree._Element:
    """A result of several items, each with these fields, and a value for those that its row has (section 3.4)."""
    x = _start("result", form_type)
    if title:
        _add(x, "title").text = title
    reported = _add(x, "reported")
    for field in fields:
        _add_field(reported, replace(field, required=False))
    for row in rows:
        item = _add(x, "item")
        for field in fields:
            _add_values(_add(item, "field", var=field.var), [row[field.var]] if field.var in row else [])
    return x


def submitted(x: etree._Element, form_type: str, fields: Sequence[Field]) -> dict[str, tuple[str, ...]]:
    """The values that were filled in, by field. Raises ValueError if they do not fit the form of these fields.

    A field that was left out is missing from the answer (it keeps its value); one that was emptied has no values.
    Fields that were not offered are ignored (section 3.1). Addresses are parsed; `boolean` reads booleans.
    """
    if x.tag != X or x.get("type") != "submit":
        raise ValueError("not a submitted form")
    given = values_of(x)
    if given.pop("FORM_TYPE", (form_type,)) != (form_type,):
        raise ValueError(f"the FORM_TYPE is not {form_type}")
    reader = AddressReader()
    answers = {field.var: _checked(field, given[field.var], reader) for field in fields if field.var in given}
    for field in fields:
        if field.required and not answers.get(field.var):
            raise ValueError(f"{_named(field)} is required")
    return answers


def values_of(x: etree._Element) -> dict[str, tuple[str, ...]]:
    """All values in a form, by field. Raises ValueError if a field has no name, or that of another field."""
    given: dict[str, tuple[str, ...]] = {}
    for element in x.iterchildren(FIELD):
        var = element.get("var")
        if var is None and element.get("type") == "fixed":
            continue
        if not var or var in given:
            raise ValueError("a field without a name of its own")
        given[var] = tuple(value.text or "" for value in element.iterchildren(VALUE))
    return given


def boolean(values: Sequence[str]) -> bool:
    """The value of a boolean field that `submitted` has accepted; false if it was emptied (section 3.3)."""
    return bool(values) and names.BOOLEANS[values[0]]


def texts(value: object, *, none: str) -> tuple[str, ...]:
    """The values of a field, of what a configuration has for it: `none` stands for None, and an empty text has none."""
    if value is None:
        return (none,)
    if isinstance(value, bool):
        return ("1" if value else "0",)
    if isinstance(value, tuple):
        return value
    return (str(value),) if value != "" else ()


def filled(field: Field, values: tuple[str, ...]) -> Field:
    """A field with its values, which an open list offers in any case (section 3.3)."""
    if field.options is None or not field.is_open:
        return replace(field, values=values)
    return replace(field, values=values, options={**{value: value for value in values}, **field.options})


def _start(kind: str, form_type: str) -> etree._Element:
    x = etree.Element(X, {"type": kind}, nsmap={None: NAMESPACE})
    _add_values(_add(x, "field", var="FORM_TYPE", type="hidden"), [form_type])
    return x


def _add(parent: etree._Element, name: str, **attributes: str) -> etree._Element:
    return etree.SubElement(parent, f"{{{NAMESPACE}}}{name}", attributes)


def _add_values(parent: etree._Element, values: Sequence[str]) -> None:
    for value in values:
        _add(parent, "value").text = value


def _add_field(x: etree._Element, field: Field) -> None:
    label = {"label": field.label} if field.label else {}
    element = _add(x, "field", var=field.var, type=field.type, **label)
    if field.required:
        _add(element, "required")
    _add_values(element, field.values)
    for value, option_label in (field.options or {}).items():
        _add_values(_add(element, "option", label=option_label), [value])
    if field.is_open:
        etree.SubElement(_validate(element, "xs:string"), f"{{{VALIDATION}}}open")
    if field.within is not None:
        least, most = map(str, field.within)
        etree.SubElement(_validate(element, "xs:integer"), f"{{{VALIDATION}}}range", min=least, max=most)


def _validate(element: etree._Element, datatype: str) -> etree._Element:
    return etree.SubElement(element, VALIDATE, datatype=datatype, nsmap={None: VALIDATION})


def _checked(field: Field, values: tuple[str, ...], reader: AddressReader) -> tuple[str, ...]:
    if not any(values):
        return ()  # <value/> and no value are two ways to say the same (section 3.6)
    if len(values) > 1 and field.type not in MULTIPLE:
        raise ValueError(f"{_named(field)} takes one value")
    match field.type:
        case "jid-single" | "jid-multi":
            return tuple(dict.fromkeys(_address(each, reader) for each in values))  # each once (section 3.3)
        case "boolean":
            _require_known(field, values, names.BOOLEANS)
        case "list-single" | "list-multi" if not field.is_open:
            _require_known(field, values, field.options or {})
    return values


def _require_known(field: Field, values: tuple[str, ...], known: Mapping[str, object]) -> None:
    for value in values:
        if value not in known:
            raise ValueError(f"{_named(field)} does not take the value {value[:40]!r}")


def _address(text: str, reader: AddressReader) -> JID:
    try:
        return reader.read(text)
    except TooManyAddresses:
        raise
    except MalformedJID as error:  # one of many, maybe
        raise MalformedJID(f"{text[:100]!r} is not an address: {error}") from error


def _named(field: Field) -> str:
    """As clients show it, too."""
    return f"the field {field.var} ({field.label})" if field.label else f"the field {field.var}"
