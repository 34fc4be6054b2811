"""Somebody with a browser who goes to the administration page."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from db import accounts as account_records
from handlers.admin.administration import carry_out
from handlers.login import accounts
from tests.harness.browsing import Got, web_server
from tests.harness.visitors import Visitor
from web.site import Site
from xmpp.data.jid import JID

JULIET, ROMEO = JID.parse("juliet@localhost"), JID.parse("romeo@localhost")
COOKIE = "xserv-admin"


@contextmanager
def administered(folder: Path, /, **settings: Any) -> Iterator[Site]:
    """A server with an administrator, juliet, whose password is "secret", and romeo, who is none, with the same."""
    with web_server(folder, **settings) as site:
        if not account_records.exists(site.server.db, ROMEO):
            accounts.create(site.server, ROMEO, "secret")
            carry_out(site.server, "role", account=JULIET, role="administrator")
        yield site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """For a test to have under its own name, as it is."""
    with administered(tmp_path) as site:
        yield site


@pytest.fixture
def juliet(site: Site) -> "Administrator":
    """The same: the administrator, who has logged in."""
    juliet = Administrator(site)
    assert juliet.logs_in().status == 200
    return juliet


class Administrator(Visitor):
    """A visitor of the administration page. `problem` is what the page says is wrong."""

    def logs_in(self, account: str = "juliet", password: str = "secret") -> Got:
        self.goes("/admin/login")
        return self.sends(account=account, password=password)

    @property
    def problem(self) -> str:
        return " ".join(each.text_content().strip() for each in self.page.find_class("wrong"))

    @property
    def done(self) -> str:
        return " ".join(each.text_content().strip() for each in self.page.find_class("right"))

    @property
    def rows(self) -> list[list[str]]:
        """What stands in the tables of the page."""
        return [[" ".join(cell.text_content().split()) for cell in row] for row in self.page.iter("tr")]
