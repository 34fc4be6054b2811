"""Result sets (XEP-0059): which page is asked for, and the description of the page that is returned."""

import re
from dataclasses import dataclass

from lxml import etree

NAMESPACE = "http://jabber.org/protocol/rsm"
SET = "{http://jabber.org/protocol/rsm}set"

MAX_NUMBER = 2**31 - 1  # numbers are xs:int (XEP-0059, XML schema)
_NUMBER = re.compile(r"\s*[0-9]{1,10}\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page of a result set is asked for.

    `max`: at most so many items; 0 asks for the count alone. `after` and `before` are identifiers of items;
    `before=""` asks for the last page. `index` is the place of the first item. None: the request does not say.
    """

    max: int | None = None
    after: str | None = None
    before: str | None = None
    index: int | None = None


def requested(element: etree._Element) -> PageRequest:
    """Read the <set/> of a request; raises ValueError when it is malformed."""
    if element.tag != SET:
        raise ValueError("not a result set")
    return PageRequest(
        max=_number(element, "max"),
        # Some clients ask for the first page with an empty <after/>.
        after=_text(element, "after") or None,
        before=_text(element, "before"),
        index=_number(element, "index"),
    )


def asked_in(parent: etree._Element | None) -> PageRequest:
    """The page that the <set/> in an element asks for: whatever comes first where there is none. Raises ValueError when
    it is malformed."""
    element = parent.find(SET) if parent is not None else None
    return PageRequest() if element is None else requested(element)


def page(
    *, first: str | None = None, last: str | None = None, index: int | None = None, count: int | None = None
) -> etree._Element:
    """The <set/> of an answer: identifiers of the first and the last item of the page, none for an empty page;
    `index`, the place of the first one, and `count`, the size of the whole set, if they are known."""
    element = etree.Element(SET, nsmap={None: NAMESPACE})
    if first is not None and last is not None:
        place = {} if index is None else {"index": str(index)}
        etree.SubElement(element, f"{{{NAMESPACE}}}first", place).text = first
        etree.SubElement(element, f"{{{NAMESPACE}}}last").text = last
    if count is not None:
        etree.SubElement(element, f"{{{NAMESPACE}}}count").text = str(count)
    return element


def _text(element: etree._Element, name: str) -> str | None:
    children = element.findall(f"{{{NAMESPACE}}}{name}")
    if len(children) > 1:
        raise ValueError(f"more than one <{name}/>")
    return (children[0].text or "") if children else None


def _number(element: etree._Element, name: str) -> int | None:
    text = _text(element, name)
    if text is None:
        return None
    if not _NUMBER.fullmatch(text) or int(text) > MAX_NUMBER:
        raise ValueError(f"<{name}/> is not a number from 0 to {MAX_NUMBER}")
    return int(text)
