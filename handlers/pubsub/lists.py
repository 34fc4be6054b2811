"""XEP-0059: lists of nodes, affiliations and subscriptions, page by page.

They are sorted by what each entry is about, which is its cursor as well: it never moves, and stays valid when the entry
is gone. All lists are sent in pages, since each of a thousand entries may have some kilobytes.
"""

from collections.abc import Iterable
from typing import NamedTuple

from lxml import etree

from handlers.pubsub.announced import PUBSUB
from handlers.pubsub.conditions import refused
from handlers.pubsub.requests import answer
from xmpp.data import resultsets
from xmpp.data.resultsets import PageRequest

PAGE_BYTES = 250_000
MARKUP = 100  # bytes of an entry beside what its attributes say


class Entry(NamedTuple):
    """An entry of a list. One without an element ends the page: there may be more after its cursor."""

    cursor: str
    element: etree._Element | None


def asked_for(parent: etree._Element | None) -> PageRequest:
    """The page that the <set/> in an element asks for. Raises StanzaError if it is malformed, or asks for a page by
    number."""
    try:
        asked = resultsets.asked_in(parent)
    except ValueError as error:
        raise refused("bad-request", str(error)) from None
    if asked.index:
        raise refused("feature-not-implemented", "pages are asked for by what comes before or after something")
    return asked


def ordered(entries: Iterable[Entry], asked: PageRequest) -> list[Entry]:
    """The entries of a short list that may be on the page, in the order in which `fill` takes them."""
    after = [entry for entry in entries if asked.after is None or entry.cursor > asked.after]
    found = sorted(after, key=lambda entry: entry.cursor)
    if asked.before is None:
        return found
    return [entry for entry in reversed(found) if not asked.before or entry.cursor < asked.before]


def page(
    name: str, entries: Iterable[Entry], asked: PageRequest, most: int, namespace: str = PUBSUB, **attributes: str
) -> etree._Element:
    """<pubsub/> with as many of the entries in a list of that name as `fill` takes, and the <set/> of the page."""
    pubsub = answer(name, (), namespace, **attributes)
    described = fill(pubsub[0], entries, asked, most)
    if described is not None:
        pubsub.append(described)
    return pubsub


def fill(parent: etree._Element, entries: Iterable[Entry], asked: PageRequest, most: int) -> etree._Element | None:
    """Put entries into an element until the page is full; they come backwards if `before` is asked for. Returns the
    <set/> of the page; None if the whole list is on it, and it is empty or no page was asked for."""
    number, left = most if asked.max is None else min(asked.max, most), PAGE_BYTES
    cursors, elements, is_whole = list[str](), list[etree._Element](), True
    for cursor, element in entries:
        if element is None:
            cursors, is_whole = [*cursors, cursor], False
            break
        left -= MARKUP + sum(len(value.encode()) for value in element.attrib.values())
        if len(cursors) == number or (cursors and left < 0):
            is_whole = False
            break
        elements.append(element)
        cursors.append(cursor)
    if asked.before is not None:
        cursors, elements = cursors[::-1], elements[::-1]
    parent.extend(elements)
    if is_whole and (asked == PageRequest() or not cursors):
        return None
    return resultsets.page(first=cursors[0], last=cursors[-1]) if cursors else resultsets.page()
