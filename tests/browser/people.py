"""What people do with the client in a browser, by what they see of it."""

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.harness.configured import PASSWORDS
from tests.harness.servers import PATIENCE, RunningServer

WRITING = "textarea.chat-textarea"
CONTACTS = "#converse-roster"


def address(server: RunningServer, path: str = "/") -> str:
    """Of a page of the server."""
    return f"http://localhost:{server.port_for('HTTP')}{path}"


def log_in(page: Page, server: RunningServer, name: str, password: str = "") -> None:
    """Log in to the client, as one of PASSWORDS or with this password, and see the contact list."""
    page.goto(address(server, "/chat"))
    page.get_by_label("XMPP Address").fill(name)
    page.get_by_label("Password", exact=True).fill(password or PASSWORDS[name])
    page.get_by_role("button", name="Log in").click()
    expect(page.locator(CONTACTS)).to_be_visible(timeout=PATIENCE * 1000)


def says(page: Page, text: str) -> None:
    """Write this into the chat that is open."""
    page.locator(WRITING).fill(text)
    page.locator(WRITING).press("Enter")


def sees(page: Page, text: str) -> None:
    """Wait until a message with this text is there; there is only one."""
    expect(page.locator(".chat-msg__text").get_by_text(text, exact=True)).to_be_visible()


def add_contact(page: Page, account: str) -> None:
    page.locator(f"{CONTACTS} .dropdown--contacts").get_by_label("Menu").click()
    page.get_by_text("Add a contact", exact=True).click()
    form = page.locator("form.add-xmpp-contact")
    form.locator("[name=jid]").and_(form.locator("input")).fill(account)
    form.get_by_role("button", name="Add").click()
    expect(form).to_be_hidden()


def accept_contact(page: Page, account: str) -> None:
    request = page.locator(".requesting-xmpp-contact").filter(has_text=account)
    request.get_by_label("Menu").click()
    request.get_by_text("Accept as contact").click()
    page.locator("converse-accept-contact-request-modal").get_by_role("button", name="Accept").click()
    expect(request).to_be_hidden()


def open_chat(page: Page, account: str) -> None:
    page.locator(f"{CONTACTS} .open-chat[data-jid='{account}']").first.click()
    expect(page.locator(WRITING)).to_be_visible()


def enter_room(page: Page, room: str) -> None:
    page.locator("#chatrooms").get_by_label("Menu").first.click()
    page.get_by_text("Add groupchat").click()
    page.locator("converse-add-muc-modal input[name=chatroom]").fill(room)
    page.locator("converse-add-muc-modal").get_by_role("button", name="Join").click()
    expect(page.locator(WRITING)).to_be_visible()


def send_file(page: Page, file: Path) -> None:
    page.locator("converse-chat-toolbar input[type=file]").set_input_files(file)
