"""Somebody with a browser: goes to pages, keeps cookies, and fills in forms as they are on the page."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from lxml import html

from tests.harness.browsing import Got, browser, web_server
from web.http.messages import FORM, Answer, Request, text
from web.part import Part
from web.parts import PARTS
from web.site import Site

CHAT = "/chat"
WITHOUT_CLIENT = [part for part in PARTS if not any(route.path == CHAT for route in part.routes)]
TEXTS = ("about", "terms", "privacy", "imprint")

some_client = Part("some_client", optional=False)


@some_client.get(CHAT)
def chat(site: Site, request: Request) -> Answer:
    return text("a client")


@contextmanager
def full_site(folder: Path) -> Iterator[Site]:
    """A server that has all pages, for localhost and for a domain that is not in ASCII."""
    settings = {
        "disco": {"name": "The Globe", "admin": ["mailto:will@example.org", "xmpp:will@localhost"]},
        "server": {"domains": ["localhost", "bücher.example"]},
        "pages": own_files(folder),
    }
    with web_server(folder, [*WITHOUT_CLIENT, some_client], None, **settings) as site:
        yield site


def own_files(folder: Path) -> dict[str, str]:
    """A file with a text for each of the settings of [pages]."""
    for name in TEXTS:
        (folder / name).write_text(f"# Our {name}\n\nA paragraph.\n\n- one\n- two\n", encoding="utf-8")
    return {name: str(folder / name) for name in TEXTS}


class Visitor:
    """Comes over plain HTTP unless another kind of port is named. `page` is what was shown last."""

    def __init__(self, site: Site, kind: str = "HTTP", *, host: str = "localhost") -> None:
        self.cookies: dict[str, str] = {}
        self.got: Got
        self.site = site
        self._kind = kind
        self._host = host
        self._at = "/"

    @property
    def page(self) -> Any:
        """The page as elements."""
        return html.fromstring(self.got.content)

    @property
    def text(self) -> str:
        """What is to be read on the page, without its head."""
        return " ".join(self.page.find("body").text_content().split())

    @property
    def links(self) -> dict[str, str]:
        """What is written on the links of the page, by where they lead."""
        return {link.get("href"): link.text_content().strip() for link in self.page.iter("a")}

    def goes(self, path: str) -> Got:
        """Go to a page."""
        self._at = path
        return self.asks("GET", path)

    def sends(self, headers: Mapping[str, str] | None = None, /, **fields: str | None) -> Got:
        """Fill in the form of the page and send it; a field that is None is left out. A redirection is followed."""
        [form] = self.page.forms
        filled_in = {**dict(form.form_values()), **fields}
        content = urlencode({name: value for name, value in filled_in.items() if value is not None}).encode()
        got = self.asks(
            form.method, form.get("action") or self._at, content, {"Content-Type": FORM, **(headers or {})}
        )
        return self.goes(got.headers["location"]) if got.status == 303 else got

    def asks(self, method: str, path: str, content: bytes = b"", headers: Mapping[str, str] | None = None) -> Got:
        """Ask with the cookies that there are, whatever is on the page."""
        cookies = (
            {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())} if self.cookies else {}
        )
        with browser(self.site, self._kind, host=self._host) as connection:
            self.got = connection.ask(method, path, content, {**cookies, **(headers or {})})
        for cookie in self.got.cookies:
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return self.got
