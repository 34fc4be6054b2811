"""XEP-0433: the public rooms of a service are searched, by words in their names, descriptions and addresses."""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from lxml import etree

from db import rooms
from handlers.rooms import configuration as configurations
from handlers.rooms.rooms_here import Rooms
from xmpp.data import dataforms, resultsets
from xmpp.data.dataforms import Field
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

NAMESPACE = "urn:xmpp:channel-search:0"
FORM, PARAMETERS, ERRORS, ORDER = (f"{NAMESPACE}:{name}" for name in ("search", "search-params", "error", "order"))
SEARCH = f"{{{FORM}}}search"
BY_ADDRESS, BY_USERS = f"{{{ORDER}}}address", f"{{{ORDER}}}nusers"
MUC_ROOMS = "xep-0045"
FIELDS = (
    Field("q", label="Search for"),
    Field("all", "boolean", "Return all rooms", ("0",)),
    Field("sinname", "boolean", "Search in names", ("1",)),
    Field("sindescription", "boolean", "Search in descriptions", ("1",)),
    Field("sinaddress", "boolean", "Search in addresses", ("1",)),
    Field("types", "list-multi", "Kinds of rooms", (MUC_ROOMS,), options={MUC_ROOMS: "Multi-user chat"}, is_open=True),
    Field(
        "key",
        "list-single",
        "In the order of",
        (BY_USERS,),
        options={BY_USERS: "Number of occupants", BY_ADDRESS: "Address"},
        is_open=True,  # what is not known has an error of its own
    ),
)
DEFAULTS: Mapping[str, tuple[str, ...]] = {field.var: tuple(field.values) for field in FIELDS}
MOST_LOOKED_AT = 2_000
"""Public rooms, by address: to look at so many takes 20 to 40 ms."""
MAX_PAGE = 100
MOST_CHARACTERS = 500
MOST_WORDS = 20
"""Each of them is looked for in the texts of all these rooms."""


class Found(NamedTuple):
    """A room that matches: how it is configured, as it is kept, and how many are in it."""

    address: JID
    configuration: str
    users: int


class Order(NamedTuple):
    """How rooms are put in order, and how the place of one is written, from which a page goes on."""

    key: Callable[[Found], tuple[int, str]]
    place: Callable[[Found], str]
    read: Callable[[str], tuple[int, str]]


ORDERS = {
    BY_ADDRESS: Order(lambda found: (0, found.address), lambda found: found.address, lambda text: (0, text)),
    BY_USERS: Order(
        lambda found: (-found.users, found.address),
        lambda found: f"{found.users} {found.address}",
        lambda text: (-_number(text.partition(" ")[0]), text.partition(" ")[2]),
    ),
}


def answer(server: "Server", iq: Stanza) -> etree._Element:
    """The form to search with; or, where it is filled in, a page of the rooms that are found."""
    assert iq.to is not None
    x = iq.only_child().find(dataforms.X)
    if x is None:
        search = etree.Element(SEARCH, nsmap={None: FORM})
        search.append(dataforms.form(PARAMETERS, FIELDS))
        return search
    try:
        given = {**DEFAULTS, **dataforms.submitted(x, PARAMETERS, FIELDS)}
        asked = resultsets.asked_in(iq.only_child())
        order = _order(given)
        found = sorted(_matching(server, iq.to, given, _words(given)), key=order.key)
        return _result(found, order, asked)
    except ValueError as error:
        raise StanzaError("bad-request", str(error)) from None


def _order(given: Mapping[str, tuple[str, ...]]) -> Order:
    order = ORDERS.get(next(iter(given["key"]), BY_USERS))
    if order is None:
        raise StanzaError("feature-not-implemented", type="modify", application=_condition("invalid-sort-key"))
    return order


def _words(given: Mapping[str, tuple[str, ...]]) -> Collection[str]:
    """What is looked for: nothing, where all rooms are asked for. Raises StanzaError."""
    text = "".join(given["q"])
    if dataforms.boolean(given["all"]):
        if text:
            condition = _condition("conflicting-fields", "all", "q")
            raise StanzaError("bad-request", "either all rooms, or those with these words", application=condition)
        return ()
    if not text:
        condition = _condition("no-search-conditions")
        raise StanzaError("bad-request", "what is to be searched for?", type="cancel", application=condition)
    words = {*text.casefold().split()}
    if not 0 < len(words) <= MOST_WORDS or len(text) > MOST_CHARACTERS:
        condition, most = _condition("invalid-search-terms"), f"{MOST_WORDS} words of {MOST_CHARACTERS} characters"
        raise StanzaError("bad-request", f"{most} at most can be searched for", application=condition)
    return words


def _matching(
    server: "Server", service: JID, given: Mapping[str, tuple[str, ...]], words: Collection[str]
) -> Iterator[Found]:
    if given["types"] and MUC_ROOMS not in given["types"]:
        return
    here = server.state(Rooms).here
    is_in = {name: dataforms.boolean(given[f"sin{name}"]) for name in ("name", "description", "address")}
    for address, kept in rooms.public(server.db, service, "", MOST_LOOKED_AT):
        if words:
            name, description = configurations.name_in(kept)
            texts = {"name": name, "description": description, "address": address}
            text = "\n".join(texts[each] for each in texts if is_in[each]).casefold()
            if not all(word in text for word in words):
                continue
        room = here.get(address)
        yield Found(address, kept, len(room.occupants) if room is not None else 0)


# -- the answer


def _result(found: list[Found], order: Order, asked: resultsets.PageRequest) -> etree._Element:
    most = MAX_PAGE if asked.max is None else min(asked.max, MAX_PAGE)
    start = _start(found, order, asked, most)
    page = found[start : start + most]
    result = etree.Element(f"{{{FORM}}}result", nsmap={None: FORM})
    for each in page:
        result.append(_item(each))
    first, last = (order.place(page[0]), order.place(page[-1])) if page else (None, None)
    result.append(resultsets.page(first=first, last=last, index=start if page else None, count=len(found)))
    return result


def _start(found: list[Found], order: Order, asked: resultsets.PageRequest, most: int) -> int:
    if asked.index is not None:
        return asked.index
    if asked.before == "":
        return max(0, len(found) - most)
    if asked.before is not None:
        before = order.read(asked.before)
        return max(0, sum(order.key(each) < before for each in found) - most)
    if asked.after is not None:
        after = order.read(asked.after)
        return sum(order.key(each) <= after for each in found)
    return 0


def _item(found: Found) -> etree._Element:
    configured = configurations.from_text(found.configuration)
    is_open = not configured.membersonly and not configured.passwordprotectedroom
    told = {
        "name": configured.roomname,
        "description": configured.roomdesc,
        "language": configured.lang,
        "nusers": str(found.users),
        "service-type": MUC_ROOMS,
        "is-open": "true" if is_open else "",  # some look only whether it is there
        "anonymity-mode": "muc_semianonymous" if configured.is_anonymous else f"{{{NAMESPACE}:anonymity}}none",
    }
    item = etree.Element(f"{{{FORM}}}item", address=found.address)
    for name, text in told.items():
        if text:
            etree.SubElement(item, f"{{{FORM}}}{name}").text = text
    return item


def _condition(name: str, *variables: str) -> etree._Element:
    condition = etree.Element(f"{{{ERRORS}}}{name}", nsmap={None: ERRORS})
    for each in variables:
        etree.SubElement(condition, f"{{{ERRORS}}}var").text = each
    return condition


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ValueError("there is no page that goes on from there")
    return int(text)
