"""Guests (XEP-0175): one click, and somebody without an account writes to people here."""

from pathlib import Path

from playwright.sync_api import expect

from tests.browser.conftest import NewPage
from tests.browser.test_demo import ADDRESS, WRITING, frame_of, says
from tests.harness.servers import DEMO, RunningServer


def test_a_guest_enters_a_room_and_writes(tmp_path: Path, new_page: NewPage) -> None:
    config = tmp_path / "guests.toml"
    config.write_text("[guests]\nenabled = true\n")
    with RunningServer(*DEMO, "--config", str(config)) as server:
        found = ADDRESS.search(server.wait_for("in a browser"))
        assert found
        people, guest = new_page(), new_page()
        people.goto(found[1])
        juliet = frame_of(people, "juliet")
        guest.goto(found[1].partition("/demo")[0] + "/chat")
        guest.get_by_role("link", name="Come in as a guest").click()
        guest.wait_for_url("**/guest")
        guest.wait_for_selector("converse-controlbox .controlbox-section")
        guest.evaluate("location.hash = '#converse/room?jid=masquerade@rooms.localhost'")
        guest.fill("input[name=nick]", "Mercutio")
        guest.press("input[name=nick]", "Enter")
        guest.wait_for_selector(WRITING)
        says(guest.main_frame, "A plague o' both your houses!")
        expect(juliet.get_by_text("A plague o' both your houses!")).to_be_visible()
        people.goto("about:blank")  # before the server goes, which clients complain of
        guest.goto("about:blank")
