"""Who has only a keyboard makes an account, with mistakes on the way; and all of it fits on small screens."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Complaints, NewPage
from tests.browser.people import address, log_in, open_chat, says, sees
from tests.harness.configured import run_server
from tests.harness.servers import RunningServer

PASSWORD = "a plague on both"
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
STEPS = 30  # more than there are links and fields in front of any of them


@pytest.fixture
def server() -> Iterator[RunningServer]:
    with RunningServer.demo() as server:
        yield server


def goes_to(page: Page, selector: str) -> None:
    """By the Tab key."""
    for _ in range(STEPS):
        page.keyboard.press("Tab")
        if page.locator(selector).evaluate("element => element === document.activeElement"):
            return
    raise AssertionError(f"{selector} cannot be reached by the keyboard")


def test_an_account_is_made_by_the_keyboard_alone(
    server: RunningServer, complaints: Complaints, new_page: NewPage
) -> None:
    complaints.expected = ("responded with a status of 400",)  # the form with what is wrong
    page = new_page()
    page.goto(address(server))
    goes_to(page, "nav a[href='/register']")
    page.keyboard.press("Enter")
    page.wait_for_url("**/register")
    for selector, text in {"#name": "mercutio", "#password": PASSWORD, "#again": "both your houses"}.items():
        goes_to(page, selector)
        page.keyboard.type(text)
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("The two passwords are not the same.")
    expect(page.locator("#name")).to_have_value("mercutio")
    expect(page.locator("#again")).to_have_attribute("aria-invalid", "true")
    for selector in ("#password", "#again"):
        goes_to(page, selector)
        page.keyboard.type(PASSWORD)
    goes_to(page, "main form button")
    page.keyboard.press("Enter")
    page.wait_for_url("**/register/done")
    expect(page.get_by_text("mercutio@localhost").first).to_be_visible()
    log_in(page, server, "mercutio", PASSWORD)


def test_the_client_fits_on_a_phone(tmp_path: Path, new_page: NewPage) -> None:
    with run_server(tmp_path) as server:
        page = new_page(**PHONE)
        log_in(page, server, "juliet")
        open_chat(page, "juliet@localhost")
        says(page, "Good night, good night!")
        sees(page, "Good night, good night!")
        assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
        page.goto("about:blank")  # before the server goes, which the client complains of


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1200])
def test_pages_fit_on_the_screen(server: RunningServer, new_page: NewPage, scheme: str, width: int) -> None:
    page = new_page(viewport={"width": width, "height": 700}, color_scheme=scheme)
    for path in ("/", "/register"):
        page.goto(address(server, path))
        assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
