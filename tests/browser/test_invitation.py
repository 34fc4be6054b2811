"""From the link of an invitation to a first message; and another password, by a link. Neither needs scripts."""

from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Complaints, NewPage
from tests.browser.people import address, log_in, open_chat, says, sees
from tests.browser.test_client import LOGGED
from tests.browser.test_registration import PHONE
from tests.harness.commandline import succeeds
from tests.harness.configured import PASSWORDS, run_server
from tests.harness.servers import RunningServer

JULIET, NURSE = "juliet@localhost", "nurse@localhost"
PASSWORD = "anon, good nurse"
LONGEST = 120  # seconds from the link to a message, for people; this is quicker


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    """One where nobody registers without an invitation."""
    with run_server(tmp_path, server={"administrators": [JULIET]}, disco={"name": "The Globe"}) as server:
        yield server


@pytest.fixture(autouse=True)
def _expected(complaints: Complaints) -> None:
    complaints.expected = LOGGED


def administers(page: Page, server: RunningServer) -> None:
    """juliet logs in to the pages for administrators."""
    page.goto(address(server, "/admin"))
    page.get_by_label("Account").fill("juliet")
    page.get_by_label("Password").fill(PASSWORDS["juliet"])
    page.keyboard.press("Enter")


def invites(page: Page, server: RunningServer) -> str:
    """juliet invites somebody, and has the address of the page."""
    administers(page, server)
    page.get_by_role("link", name="Groups").click()
    page.get_by_role("link", name="New group").click()
    page.get_by_label("Name").fill("The household")
    page.get_by_role("button", name="Make the group").click()
    page.get_by_role("link", name="Invite somebody into it").click()
    page.get_by_label("Name", exact=True).fill("nurse")
    page.get_by_role("button", name="Make the link").click()
    expect(page.get_by_role("img")).to_be_visible()
    link = page.locator("a.address").first.inner_text()
    assert link.startswith(address(server, "/invite/"))
    return link


def registers(page: Page) -> None:
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("The password once more").fill(PASSWORD)
    page.get_by_role("button", name="Make the account").click()
    expect(page.get_by_text(f"Your address is {NURSE}.")).to_be_visible()


def fits(page: Page) -> bool:
    return bool(page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth"))


def test_from_the_link_to_a_first_message_to_who_has_invited(server: RunningServer, new_page: NewPage) -> None:
    juliet, nurse = new_page(), new_page(**PHONE)
    link = invites(juliet, server)
    log_in(juliet, server, "juliet")

    began = monotonic()
    nurse.goto(link)
    expect(nurse.get_by_role("heading", name=f"{JULIET} invites you to The Globe")).to_be_visible()
    assert fits(nurse)
    registers(nurse)
    assert fits(nurse)
    expect(nurse.get_by_text(f"{JULIET} is among your contacts already.")).to_be_visible()
    nurse.get_by_role("main").get_by_role("link", name="Chat in this browser").click()
    nurse.get_by_label("XMPP Address").fill("nurse")
    nurse.get_by_label("Password", exact=True).fill(PASSWORD)
    nurse.get_by_role("button", name="Log in").click()
    open_chat(nurse, JULIET)
    says(nurse, "Madam! lady! Juliet!")
    sees(nurse, "Madam! lady! Juliet!")
    open_chat(juliet, NURSE)
    sees(juliet, "Madam! lady! Juliet!")
    assert monotonic() - began < LONGEST
    says(juliet, "How now? Who calls?")
    sees(nurse, "How now? Who calls?")
    nurse.goto("about:blank")  # before the server goes, which the client complains of
    juliet.goto("about:blank")


@pytest.mark.parametrize("width", [390, 1280])
def test_without_scripts_an_account_is_made_and_its_password_set_anew(
    server: RunningServer, new_page: NewPage, complaints: Complaints, width: int, tmp_path: Path
) -> None:
    complaints.expected = ("status of 400", "status of 410", "status of 404")
    data = ("--config", str(tmp_path / "settings.toml"), "--data", str(tmp_path / "data"))
    link, _ = succeeds("invite", "--name", "nurse", *data).splitlines()
    page = new_page(java_script_enabled=False, viewport={"width": width, "height": 844})
    page.goto(link)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("The password once more").fill("something else")
    page.get_by_role("button", name="Make the account").click()
    expect(page.get_by_role("alert")).to_contain_text("The two passwords are not the same.")
    registers(page)
    page.goto(link)
    expect(page.get_by_role("heading", name="This invitation was used already")).to_be_visible()

    [link] = succeeds("invite", "--reset", NURSE, *data).splitlines()
    page.goto(link)
    expect(page.get_by_text(f"Choose another password for {NURSE}.")).to_be_visible()
    page.get_by_label("Password", exact=True).fill("another, by a link")
    page.get_by_label("The password once more").fill("another, by a link")
    page.get_by_role("button", name="Set the password").click()
    expect(page.get_by_role("heading", name="Your password is changed")).to_be_visible()
    page.goto(link)
    expect(page.get_by_role("heading", name="This link does not hold")).to_be_visible()
    log_in(new_page(), server, "nurse", "another, by a link")


def test_the_browser_names_the_address_of_the_page_to_nobody(server: RunningServer, new_page: NewPage) -> None:
    page, link = new_page(), invites(new_page(), server)
    page.goto(link)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.headers.get("referer", "")))
    page.get_by_role("link", name="Start").click()
    page.go_back()
    registers(page)
    assert asked and [each for each in asked if each == link or each.startswith(f"{link}/")] == []
    assert "" in asked


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_on_the_screen(server: RunningServer, new_page: NewPage, scheme: str, width: int) -> None:
    page = new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)
    link = invites(page, server)
    assert fits(page)
    for path in ("/admin/invitations", "/admin/invitations/add", "/admin/groups", "/admin/groups/add",
                 "/admin/group?group=The+household"):  # fmt: skip
        page.goto(address(server, path))
        assert fits(page)
    page.goto(link)
    assert fits(page)
