"""The client in the browser: people log in, find each other, write, meet in rooms, and send pictures."""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Complaints, NewPage
from tests.browser.people import (
    accept_contact,
    add_contact,
    address,
    enter_room,
    log_in,
    open_chat,
    says,
    sees,
    send_file,
)
from tests.harness.configured import PASSWORDS, run_server
from tests.harness.servers import RunningServer

JULIET, ROMEO = (f"{name}@localhost" for name in PASSWORDS)

# What the client logs as errors: answers that say that there is nothing, or not that, what it wanted to ask of a page
# that was left, and an answer (to the request that it shows) for which it has no use any more, since what the room can
# do has changed meanwhile.
LOGGED = (
    "item-not-found",
    "feature-not-implemented",
    "service-unavailable",
    "OMEMO devices",
    "we're not connected",
    "archiving preferences for null",
    '<prefs xmlns="urn:xmpp:mam:2"/>',
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    with run_server(tmp_path, register={"enabled": True, "open": True}) as server:
        yield server


@pytest.fixture(autouse=True)
def _expected(complaints: Complaints) -> None:
    complaints.expected = LOGGED


@pytest.fixture
def juliet(server: RunningServer, new_page: NewPage) -> Page:
    page = new_page()
    log_in(page, server, "juliet")
    return page


@pytest.fixture
def romeo(server: RunningServer, new_page: NewPage) -> Page:
    page = new_page()
    log_in(page, server, "romeo")
    return page


def picture(folder: Path, size: tuple[int, int] = (200, 120)) -> Path:
    """A PNG in one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    width, height = size
    rows = (b"\0" + b"\xb0\x30\x60" * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    file = folder / "rose.png"
    file.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )
    return file


def test_two_people_become_contacts_and_what_they_write_is_there_after_a_reload(
    server: RunningServer, juliet: Page, romeo: Page
) -> None:
    add_contact(juliet, ROMEO)
    accept_contact(romeo, JULIET)
    open_chat(juliet, ROMEO)
    says(juliet, "Good night, good night!")
    open_chat(romeo, JULIET)
    sees(romeo, "Good night, good night!")
    says(romeo, "Sleep dwell upon thine eyes.")
    sees(juliet, "Sleep dwell upon thine eyes.")

    juliet.reload()
    sees(juliet, "Sleep dwell upon thine eyes.")
    says(romeo, "Peace in thy breast!")
    sees(juliet, "Peace in thy breast!")
    says(juliet, "To be to thee this night a torch-bearer.")
    sees(romeo, "To be to thee this night a torch-bearer.")
    # The session was resumed, and nothing has ended its stream since.
    assert len([line for line in server.said if "login of juliet@localhost" in line]) == 2


# The connections of a page, so that they can be lost: as by a network, the client is not asked.
KEEP_CONNECTIONS = """
window.connections = [];
window.WebSocket = class extends WebSocket {
    constructor(...given) {
        super(...given);
        window.connections.push(this);
    }
};
"""


def test_however_often_the_connection_is_lost_the_session_goes_on_with_what_was_on_its_way(
    server: RunningServer, romeo: Page, new_page: NewPage, complaints: Complaints
) -> None:
    complaints.expected += ("Websocket closed unexpectedly",)
    page = new_page()
    page.add_init_script(KEEP_CONNECTIONS)
    log_in(page, server, "juliet")
    server.wait_for("login of juliet@localhost")
    add_contact(page, ROMEO)
    accept_contact(romeo, JULIET)
    open_chat(page, ROMEO)
    open_chat(romeo, JULIET)
    for line in ("Wilt thou be gone?", "It is not yet near day.", "It was the nightingale, and not the lark."):
        says(page, line)
        sees(romeo, line)
        page.evaluate("connections.at(-1).close()")
        server.wait_for("login of juliet@localhost")
        says(romeo, f"{line} she said")
        sees(page, f"{line} she said")
    assert [line for line in server.said if "logout of juliet@localhost" in line] == []


def test_a_room_is_made_by_its_name_and_others_enter_it(juliet: Page, romeo: Page) -> None:
    enter_room(juliet, "Orchard")
    enter_room(romeo, "Orchard")
    says(juliet, "How cam'st thou hither?")
    sees(romeo, "How cam'st thou hither?")
    says(romeo, "With love's light wings.")
    sees(juliet, "With love's light wings.")


def test_a_picture_is_seen_at_the_other_side(juliet: Page, romeo: Page, tmp_path: Path) -> None:
    enter_room(juliet, "gallery")
    enter_room(romeo, "gallery")
    send_file(juliet, picture(tmp_path))
    shown = romeo.locator(".chat-image")
    expect(shown).to_be_visible()
    assert shown.evaluate("image => image.decode().then(() => [image.naturalWidth, image.naturalHeight])") == [200, 120]


def test_a_conversation_is_there_in_a_browser_that_has_never_seen_it(
    juliet: Page, server: RunningServer, new_page: NewPage
) -> None:
    enter_room(juliet, "diary")
    says(juliet, "Parting is such sweet sorrow.")
    sees(juliet, "Parting is such sweet sorrow.")
    another = new_page()
    log_in(another, server, "juliet")
    enter_room(another, "diary")
    sees(another, "Parting is such sweet sorrow.")


@pytest.fixture
def server_without_websocket(tmp_path: Path) -> Iterator[RunningServer]:
    """It names WebSocket to its clients, but lets none in, as a proxy may do."""
    with run_server(tmp_path, websocket={"origins": ["https://elsewhere.example"]}) as server:
        yield server


def test_where_websocket_does_not_get_through_people_chat_over_bosh(
    server_without_websocket: RunningServer, new_page: NewPage, complaints: Complaints
) -> None:
    complaints.expected += ("WebSocket",)
    juliet, romeo = new_page(), new_page()
    log_in(juliet, server_without_websocket, "juliet")
    log_in(romeo, server_without_websocket, "romeo")
    enter_room(juliet, "garden")
    enter_room(romeo, "garden")
    says(juliet, "It is the east.")
    sees(romeo, "It is the east.")
    says(romeo, "And Juliet is the sun.")
    sees(juliet, "And Juliet is the sun.")


def test_somebody_makes_an_account_and_logs_in_with_it(server: RunningServer, new_page: NewPage) -> None:
    page = new_page(viewport={"width": 390, "height": 780}, color_scheme="dark")
    page.goto(address(server))
    page.get_by_role("link", name="Make an account", exact=True).click()
    page.get_by_label("Name", exact=True).fill("Nurse")
    page.get_by_label("Password", exact=True).fill("anon, good nurse")
    page.get_by_label("The password once more").fill("anon, good nurse")
    page.keyboard.press("Enter")
    expect(page.get_by_text("nurse@localhost").first).to_be_visible()
    log_in(page, server, "nurse", "anon, good nurse")
