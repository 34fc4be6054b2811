"""Result sets (XEP-0059): requests for a page, and the description of the page."""

import pytest
from lxml import etree

from xmpp.data import resultsets
from xmpp.data.resultsets import PageRequest


def request(inner: str) -> etree._Element:
    return etree.fromstring(f"<set xmlns='http://jabber.org/protocol/rsm'>{inner}</set>")


@pytest.mark.parametrize(
    ("inner", "asked"),
    [
        ("", PageRequest()),
        ("<max>10</max>", PageRequest(max=10)),
        ("<max>0</max>", PageRequest(max=0)),
        ("<max>\n 10 </max>", PageRequest(max=10)),
        ("<max>2147483647</max>", PageRequest(max=2147483647)),
        ("<max>10</max><after>peterpan@neverland.lit</after>", PageRequest(max=10, after="peterpan@neverland.lit")),
        ("<max>10</max><after/>", PageRequest(max=10)),
        ("<before>peter@pixyland.org</before><max>10</max>", PageRequest(max=10, before="peter@pixyland.org")),
        ("<before/>", PageRequest(before="")),
        ("<before></before>", PageRequest(before="")),
        ("<max>10</max><index>371</index>", PageRequest(max=10, index=371)),
        ("<max>10</max><x xmlns='urn:other'/><count>5</count>", PageRequest(max=10)),
        ("<max xmlns='urn:other'>ten</max>", PageRequest()),
    ],
)
def test_a_request_is_read(inner: str, asked: PageRequest) -> None:
    assert resultsets.requested(request(inner)) == asked


@pytest.mark.parametrize("name", ["max", "index"])
@pytest.mark.parametrize(
    "text", ["", " ", "ten", "-1", "+1", "1.0", "1e3", "0x10", "1_0", "1 0", "٣", "2147483648", "9" * 5000]
)
def test_a_number_that_is_none_is_refused(name: str, text: str) -> None:
    with pytest.raises(ValueError, match=f"<{name}/> is not a number"):
        resultsets.requested(request(f"<{name}>{text}</{name}>"))


@pytest.mark.parametrize("name", ["max", "index", "after", "before"])
def test_nothing_is_said_twice(name: str) -> None:
    with pytest.raises(ValueError, match=f"more than one <{name}/>"):
        resultsets.requested(request(f"<{name}>1</{name}>" * 2))


def test_another_element_is_no_request() -> None:
    with pytest.raises(ValueError, match="not a result set"):
        resultsets.requested(etree.fromstring("<set xmlns='urn:other'/>"))


def page(inner: str) -> str:
    return f'<set xmlns="http://jabber.org/protocol/rsm">{inner}</set>'


def written(element: etree._Element) -> str:
    return etree.tostring(element).decode()


def test_a_page_names_its_first_and_last_item_its_place_and_the_size_of_the_set() -> None:
    assert written(resultsets.page(first="a", last="z", index=10, count=800)) == page(
        '<first index="10">a</first><last>z</last><count>800</count>'
    )


def test_what_is_not_known_is_left_out() -> None:
    assert written(resultsets.page(first="a", last="a")) == page("<first>a</first><last>a</last>")
    assert written(resultsets.page(first="a", last="a", index=0)) == page('<first index="0">a</first><last>a</last>')


def test_an_empty_page_has_a_count_alone() -> None:
    assert written(resultsets.page(count=0)) == page("<count>0</count>")
    assert written(resultsets.page(index=5, count=790)) == page("<count>790</count>")
