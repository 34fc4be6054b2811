"""The pages for administrators, in a browser."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Complaints, NewPage
from tests.browser.people import address, log_in
from tests.harness.configured import PASSWORDS, run_server
from tests.harness.servers import RunningServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    with run_server(tmp_path, server={"administrators": ["juliet@localhost"]}) as server:
        yield server


@pytest.fixture
def page(server: RunningServer, new_page: NewPage) -> Page:
    """Where juliet is logged in."""
    page = new_page()
    page.goto(address(server, "/admin"))
    page.get_by_label("Account").fill("juliet")
    page.get_by_label("Password").fill(PASSWORDS["juliet"])
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    return page


def test_an_account_is_made_disabled_removed_and_restored(page: Page) -> None:
    page.get_by_role("link", name="People").click()
    page.get_by_role("link", name="New account").click()
    page.get_by_label("Name").fill("nurse")
    page.get_by_label("Password").fill("anon, good nurse")
    page.get_by_label("The same again").fill("anon, good nurse")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("nurse@localhost can log in now.")

    for action, button, said in (
        ("Disable the account", "Disable it", "nurse@localhost is disabled."),
        ("Enable the account", "Enable it", "nurse@localhost can log in again."),
        ("Remove the account", "Remove it", "nurse@localhost is to be removed."),
        ("Restore the account", "Restore it", "nurse@localhost stays."),
    ):
        page.get_by_role("link", name=action).click()
        page.get_by_role("button", name=button).click()
        expect(page.get_by_role("status")).to_have_text(said)

    page.get_by_role("link", name="Log", exact=True).click()
    expect(page.get_by_text("account nurse@localhost was disabled").first).to_be_visible()


def test_whoever_logs_out_has_to_log_in_again(page: Page) -> None:
    page.get_by_role("link", name="Log out").click()
    page.get_by_role("button", name="Log out").click()
    page.goto(page.url.split("/admin")[0] + "/admin/people")
    expect(page.get_by_label("Password")).to_be_visible()


def test_on_a_phone_a_wide_table_is_moved_sideways_and_the_page_is_not(
    page: Page, server: RunningServer, new_page: NewPage, complaints: Complaints
) -> None:
    complaints.expected = ("/converse.min.js",)
    log_in(new_page(), server, "romeo")
    page.set_viewport_size({"width": 390, "height": 780})
    page.get_by_role("link", name="Sessions").click()
    expect(page.get_by_role("link", name="End")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 390


@pytest.mark.parametrize("width", [390, 1280])
def test_what_can_be_done_in_a_row_of_a_table_is_in_sight(page: Page, server: RunningServer, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(address(server, "/admin/invitations/add"))
    page.get_by_label("Name", exact=True).fill("the-nurse-of-the-capulets")
    page.get_by_role("button", name="Make the link").click()
    page.goto(address(server, "/admin/invitations"))
    action = page.get_by_role("link", name="Take back").bounding_box()
    assert action is not None
    assert action["x"] + action["width"] <= width
