"""The demo: one address, two people who write to each other, alone and in a room."""

import re

from playwright.sync_api import Frame, Page, expect

from tests.browser.conftest import NewPage
from tests.harness.servers import DEMO, RunningServer

ADDRESS = re.compile(r"Open (http://\S+) in a browser")
WRITING = "textarea.chat-textarea"


def frame_of(page: Page, name: str) -> Frame:
    """The client of this person, once the room is there."""
    [frame] = [frame for frame in page.frames if frame.url.endswith(f"/{name}")]
    frame.wait_for_selector(WRITING)
    return frame


def says(frame: Frame, text: str) -> None:
    frame.fill(WRITING, text)
    frame.press(WRITING, "Enter")


def test_two_people_write_to_each_other_in_the_room(new_page: NewPage) -> None:
    with RunningServer(*DEMO) as server:
        found = ADDRESS.search(server.wait_for("in a browser"))
        assert found
        page = new_page()
        page.goto(found[1])
        juliet, romeo = frame_of(page, "juliet"), frame_of(page, "romeo")
        expect(juliet.get_by_text("Welcome!")).to_be_visible()
        says(juliet, "Wherefore art thou Romeo?")
        expect(romeo.get_by_text("Wherefore art thou Romeo?")).to_be_visible()
        says(romeo, "Call me but love.")
        expect(juliet.get_by_text("Call me but love.")).to_be_visible()
