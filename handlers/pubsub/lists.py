"""XEP-0059: lists of nodes, affiliations and subscriptions, page by page.

They are in the order of what each entry is about, which is its cursor, too: it does not move, and need not be there any
more. All of them are sent this way, since each of a thousand entries may have some kilobytes.
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
    """What stands in a list, with its cursor. Without an element: there may be more after it, not on this page."""

    cursor: str
    element: etree._Element | None


def asked_for(parent: etree._Element | None) -> PageRequest:
    """The page that is asked for by what stands in an element. Raises StanzaError where that cannot be read, and for
    pages by number."""
    element = parent.find(resultsets.SET) if parent is not None else None
    try:
        asked = PageRequest() if element is None else resultsets.requested(element)
    except ValueError as error:
        raise refused("bad-request", str(error)) from None
    if asked.index:
        raise refused("feature-not-implemented", "pages are asked for by what comes before or after something")
    return asked


def ordered(entries: Iterable[Entry], asked: PageRequest) -> list[Entry]:
    """Those of a short list that a page can have, for `fill`."""
    after = [entry for entry in entries if asked.after is None or entry.cursor > asked.after]
    found = sorted(after, key=lambda entry: entry.cursor)
    if asked.before is None:
        return found
    return [entry for entry in reversed(found) if not asked.before or entry.cursor < asked.before]


def page(
    name: str, entries: Iterable[Entry], asked: PageRequest, most: int, namespace: str = PUBSUB, **attributes: str
) -> etree._Element:
    """<pubsub/> with a list of that name, as much of it as `fill` takes, and what the page says of itself."""
    pubsub = answer(name, (), namespace, **attributes)
    described = fill(pubsub[0], entries, asked, most)
    if described is not None:
        pubsub.append(described)
    return pubsub


def fill(parent: etree._Element, entries: Iterable[Entry], asked: PageRequest, most: int) -> etree._Element | None:
    """Put as many of these entries into an element as make a page; they come backwards, if what comes before something
    is asked for. Returns what the page says of itself, if it is asked for and has anything, or is not the whole."""
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
