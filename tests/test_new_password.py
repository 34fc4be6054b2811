"""A new password ends what was begun with the one before, whoever has set it and how (docs/security.md row 56)."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from handlers.admin.administration import carry_out
from handlers.commands.administration import ADMIN
from handlers.login import accounts, client_access
from handlers.login.clients import Access
from tests.harness import adhoc
from tests.harness.fast import FastStream, opened, request, token_in, tries
from tests.harness.sasl2 import PHONE, SM, TABLET, bind, bound, secured_server
from tests.harness.streams import JULIET, local_name
from xmpp.routing.session import Session
from xmpp.server import Server

MANAGED = f"<enable xmlns='{SM}' resume='true'/>"
Change = Callable[[Server, FastStream], bool]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with secured_server(tmp_path) as server:
        yield server


def by_a_client(server: Server, stream: FastStream) -> bool:
    query = "<query xmlns='jabber:iq:register'><username>juliet</username><password>another secret</password></query>"
    answer = stream.asks(f"<iq type='set' id='p' to='localhost'>{query}</iq>")
    assert (answer.get("id"), answer.get("type")) == ("p", "result")
    return True


def by_an_administrator(server: Server, stream: FastStream) -> bool:
    """On the command line and on the administration page."""
    carry_out(server, "passwd", account=JULIET, password="another secret")
    return False


def by_a_command(server: Server, stream: FastStream) -> bool:
    """By an administrator, for the own account (XEP-0133 section 4.7)."""
    carry_out(server, "role", account=JULIET, role="administrator")
    fields = {"accountjid": JULIET, "password": "another secret"}
    answer = stream.asks(adhoc.request(f"{ADMIN}#change-user-password", "localhost", ADMIN, **fields))
    assert adhoc.status(answer) == "completed"
    return True


def by_a_reset(server: Server, stream: FastStream) -> bool:
    """By a link, where nobody is logged in."""
    accounts.change_password(server, JULIET, "another secret")
    return False


def named(session: Session) -> bool:
    """True if its client has said which one it is."""
    access = session.state(Access)
    return access is not None and access.client != ""


@pytest.mark.parametrize("change", [by_a_client, by_an_administrator, by_a_command, by_a_reset])
def test_row_56_what_was_begun_with_the_old_password_ends_and_who_has_changed_it_stays(
    server: Server, change: Change
) -> None:
    with opened(server) as here, opened(server) as there, opened(server) as away, opened(server) as unbound:
        token_here = token_in(here.tries_plain(bind() + request(), TABLET)) or ""
        here.receives()
        token = token_in(there.tries_plain(bind(MANAGED) + request(), PHONE)) or ""
        there.receives()
        id = bound(away.tries_plain(bind(MANAGED)))[1].get("id")
        [hibernating] = [each for each in server.online.sessions(JULIET) if not named(each)]
        hibernating.connection_lost()
        unbound.tries_plain()
        unbound.receives()
        stays = change(server, here)
        assert there.last_words()[-1] == "reset"
        assert unbound.last_words()[-1] == "reset"
        left = server.online.sessions(JULIET)
        assert hibernating not in left
        if stays:
            assert [named(each) for each in left] == [True]
            assert here.asks_iq("<query xmlns='jabber:iq:roster'/>", "get") == "result"
        else:
            assert here.last_words()[-1] == "reset"
            assert not left
        assert tries(server, token) == "not-authorized"
        assert tries(server, token_here, agent=TABLET) == "not-authorized"
        with opened(server) as again:
            success = again.tries_plain(f"<resume xmlns='{SM}' previd='{id}' h='0'/>", password="another secret")
            assert [local_name(each) for each in success] == ["authorization-identifier", "failed"]
        assert len(client_access.listing(server, JULIET)) == stays
