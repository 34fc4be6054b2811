"""A real browser: headless Chromium, and a server process of its own for each test.

Whatever the browser complains of fails the test: an error on the console, in a script, a request that fails, or one to
anybody but the server. So nothing calls out, and nothing that the content security policy forbids is needed.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

from tests.harness.servers import PATIENCE, ROOT

PICTURES = ROOT / "build" / "pictures"  # what the pages looked like at the end of each test
PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NewPage = Callable[..., Page]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if PROGRAM is None:
        pytest.skip("Chromium is not installed")
    expect.set_options(timeout=PATIENCE * 1000)
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=arguments)
        yield browser
        browser.close()


class Complaints:
    """What the browser complains of."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.expected: tuple[str, ...] = ()

    def watch(self, page: Page) -> None:
        page.on("console", self._said)
        page.on("pageerror", lambda error: self._note(f"script: {error}"))
        page.on("requestfailed", self._failed)
        page.on("request", self._asked)

    def _note(self, complaint: str) -> None:
        if not any(each in complaint for each in self.expected):
            self.found.append(complaint)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._note(f"console: {message.text} {message.location.get('url', '')}")

    def _failed(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # the page was left
            self._note(f"failed: {request.url} {request.failure}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith(("http://localhost:", "ws://localhost:", "data:", "blob:")):
            self._note(f"asked somebody else: {request.url}")


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    complaints = Complaints()
    yield complaints
    assert not complaints.found, "\n".join(complaints.found)


@pytest.fixture
def new_page(chromium: Browser, complaints: Complaints, request: pytest.FixtureRequest) -> Iterator[NewPage]:
    """A function that opens a page in a browser of its own, without anything that others have kept."""
    opened: list[Page] = []

    def new_page(**options: Any) -> Page:
        context = chromium.new_context(**{"viewport": {"width": 1200, "height": 760}, **options})
        context.set_default_timeout(PATIENCE * 1000)
        page = context.new_page()
        complaints.watch(page)
        opened.append(page)
        return page

    yield new_page
    PICTURES.mkdir(parents=True, exist_ok=True)
    for number, page in enumerate(opened):
        page.screenshot(path=PICTURES / f"{Path(request.node.name).name}-{number}.png")
        page.context.close()
