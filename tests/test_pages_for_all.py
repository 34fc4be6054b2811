"""The pages can be used by everybody: without a script, with a keyboard, by ear, in the light and in the dark."""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.harness.browsing import get
from tests.harness.servers import ROOT
from tests.harness.visitors import Visitor, full_site
from web.site import Site

PATHS = ("/", "/register", "/contact", "/terms", "/privacy", "/imprint")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with full_site(tmp_path) as site:
        yield site


@pytest.fixture
def visitor(site: Site) -> Visitor:
    return Visitor(site)


@pytest.mark.parametrize("path", PATHS)
def test_every_page_has_a_title_landmarks_and_one_heading_above_the_others(visitor: Visitor, path: str) -> None:
    assert visitor.goes(path).status == 200
    page = visitor.page
    assert page.get("lang") == "en"
    assert page.findtext(".//title").endswith("– The Globe")
    for landmark in ("header", "main", "footer"):
        assert len(page.findall(f".//{landmark}")) == 1
    levels = [int(each.tag[1]) for each in page.iter("h1", "h2", "h3", "h4", "h5", "h6")]
    assert levels.count(1) == 1 and levels[0] == 1
    assert [after for before, after in pairwise(levels) if after > before + 1] == []
    assert all(nav.get("aria-label") for nav in page.iter("nav"))


@pytest.mark.parametrize("path", PATHS)
def test_the_first_link_of_a_page_leads_to_its_content(visitor: Visitor, path: str) -> None:
    visitor.goes(path)
    first = next(visitor.page.iter("a"))
    assert visitor.page.get_element_by_id(first.get("href").removeprefix("#")).tag == "main"


@pytest.mark.parametrize("path", PATHS)
def test_whatever_refers_to_a_part_of_the_page_finds_it(visitor: Visitor, path: str) -> None:
    visitor.goes(path)
    ids = [each.get("id") for each in visitor.page.iter() if each.get("id")]
    assert len(ids) == len(set(ids))
    names = ("for", "aria-labelledby", "aria-describedby")
    assert {id for each in visitor.page.iter() for name in names for id in each.get(name, "").split()} <= set(ids)


@pytest.mark.parametrize("path", PATHS)
def test_every_link_field_and_image_has_a_name(visitor: Visitor, path: str) -> None:
    visitor.goes(path)
    page = visitor.page
    assert [link.get("href") for link in page.iter("a") if not link.text_content().strip()] == []
    assert [image.get("src") for image in page.iter("img") if not image.get("alt")] == []
    fields = [each for each in page.iter("input", "select", "textarea") if each.get("type") != "hidden"]
    labelled = {label.get("for") for label in page.iter("label")}
    assert [each.get("name") for each in fields if not (each.get("id") in labelled or each.get("aria-label"))] == []


@pytest.mark.parametrize("path", PATHS)
def test_the_page_that_is_shown_is_marked_in_the_list_of_pages(visitor: Visitor, path: str) -> None:
    visitor.goes(path)
    assert [link.get("href") for link in visitor.page.iter("a") if link.get("aria-current") == "page"] == [path]


def test_no_link_of_ours_leads_nowhere(visitor: Visitor) -> None:
    seen, left = set[str](), ["/"]
    while left:
        path = left.pop()
        seen.add(path)
        assert visitor.goes(path).status == 200
        if path != "/chat":
            left += [to for to in visitor.links if to.startswith("/") and to not in {*seen, *left}]
    assert seen == {*PATHS, "/chat"}


@pytest.mark.parametrize("path", PATHS)
def test_nothing_of_a_page_comes_from_elsewhere_or_needs_a_script(visitor: Visitor, path: str) -> None:
    got = visitor.goes(path)
    fetched = [each.get("src") or each.get("href") for each in visitor.page.iter("link", "img", "script", "iframe")]
    assert [each for each in fetched if not each.startswith(("/style/", "data:"))] == []
    assert not list(visitor.page.iter("script", "style"))
    assert [
        each.tag for each in visitor.page.iter() for name in each.attrib if name == "style" or name[:2] == "on"
    ] == []
    policy = got.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy


# -- the style


def test_the_style_is_kept_for_good_under_a_name_that_changes_with_it(visitor: Visitor, site: Site) -> None:
    visitor.goes("/")
    [path] = [link.get("href") for link in visitor.page.iter("link") if link.get("rel") == "stylesheet"]
    got = get(site, path)
    assert (got.status, got.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert "immutable" in got.headers["cache-control"]
    assert get(site, "/style/pages-0123456789abcdef.css").status == 404


STYLE = (ROOT / "web" / "pages" / "pages.css").read_text(encoding="utf-8")


def colours(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))


LIGHT, DARK = (colours(block) for block in re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL))


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, "contrast ratio"."""

    def luminance(colour: str) -> float:
        parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
        linear = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_reckoned_right() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("colour", "grounds", "least"),
    [
        ("text", ["ground", "surface", "sunken"], 4.5),
        ("quiet", ["ground", "surface", "sunken"], 4.5),
        ("accent", ["ground", "surface", "sunken", "wrong-ground", "right-ground"], 4.5),
        ("accent-strong", ["ground", "surface", "sunken", "wrong-ground", "right-ground"], 4.5),
        ("on-accent", ["accent", "accent-strong"], 4.5),
        ("wrong", ["surface", "wrong-ground", "ground"], 4.5),
        ("right", ["surface", "right-ground"], 4.5),
        ("edge", ["surface", "ground"], 3),  # borders of fields
        ("accent", ["ground", "surface"], 3),  # the focus
    ],
)
def test_text_and_borders_can_be_told_from_what_is_behind_them(
    scheme: dict[str, str], colour: str, grounds: list[str], least: float
) -> None:
    found = {ground: contrast(scheme[colour], scheme[ground]) for ground in grounds}
    assert {ground: ratio for ground, ratio in found.items() if ratio < least} == {}
