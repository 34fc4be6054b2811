"""The demo: one address, two people who write to each other, alone and in a room."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Frame, Page, expect

from tests.browser.conftest import NewPage
from tests.harness.servers import DEMO, ROOT, RunningServer

ADDRESS = re.compile(r"Open (http://\S+) in a browser")
WRITING = "textarea.chat-textarea"
PICTURE = ROOT / "docs" / "pictures" / "page-start-phone.png"


def frame_of(page: Page, name: str) -> Frame:
    """The client of this person, once the room is there."""
    [frame] = [frame for frame in page.frames if frame.url.endswith(f"/{name}")]
    frame.wait_for_selector(WRITING)
    return frame


def says(frame: Frame, text: str) -> None:
    frame.fill(WRITING, text)
    frame.press(WRITING, "Enter")


@pytest.fixture
def address() -> Iterator[str]:
    """Of the page of a demo. Named before `new_page`: the server ends after the browser."""
    with RunningServer(*DEMO) as server:
        found = ADDRESS.search(server.wait_for("in a browser"))
        assert found
        yield found[1]


def test_two_people_write_to_each_other_in_the_room_and_send_a_file(address: str, new_page: NewPage) -> None:
    page = new_page()
    page.goto(address)
    juliet, romeo = frame_of(page, "juliet"), frame_of(page, "romeo")
    expect(juliet.get_by_text("Welcome!")).to_be_visible()
    says(juliet, "Wherefore art thou Romeo?")
    expect(romeo.get_by_text("Wherefore art thou Romeo?")).to_be_visible()
    says(romeo, "Call me but love.")
    expect(juliet.get_by_text("Call me but love.")).to_be_visible()
    juliet.set_input_files("input[type=file]", PICTURE)
    seen = romeo.locator("converse-chat-message-body img, .chat-image")
    expect(seen).to_be_visible()
    assert seen.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0


def test_two_people_write_to_each_other_alone(address: str, new_page: NewPage) -> None:
    page = new_page()
    page.goto(address)
    juliet, romeo = frame_of(page, "juliet"), frame_of(page, "romeo")
    opens_chat(juliet, "Romeo")
    says(juliet, "Art thou not Romeo?")
    opens_chat(romeo, "Juliet")
    expect(romeo.get_by_text("Art thou not Romeo?")).to_be_visible()


def opens_chat(frame: Frame, contact: str) -> None:
    """Go back from the room to the list, and from there to a contact."""
    frame.locator("converse-controlbox-navback converse-icon").first.click()
    frame.get_by_role("link", name=re.compile(f"{contact}$|{contact} ")).first.click()
    expect(frame.locator("converse-chat-heading").get_by_text(contact)).to_be_visible()
