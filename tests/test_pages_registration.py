"""Registration in the browser (XEP-0077's rules, by another way)."""

from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from db import accounts as account_records
from handlers.login.register import RegisterSettings
from tests.harness.browsing import get, post_form, web_server
from tests.harness.in_process import configuration
from tests.harness.streams import Stream
from tests.harness.visitors import Visitor
from web.parts import PARTS
from web.site import Site
from xmpp.data.jid import JID

ROMEO = JID.parse("romeo@localhost")
PASSWORD = "wherefore art thou"
OWN = {"name": "romeo", "password": PASSWORD, "again": PASSWORD}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with web_server(tmp_path, PARTS, None, register={"accounts_per_address": 0}) as site:
        yield site


@pytest.fixture
def visitor(site: Site) -> Visitor:
    visitor = Visitor(site)
    assert visitor.goes("/register").status == 200
    return visitor


def exists(site: Site, address: str) -> bool:
    return account_records.exists(site.server.db, JID.parse(address))


def problems(visitor: Visitor) -> dict[str, str]:
    """What is said to be wrong, by field."""
    said = {}
    for field in visitor.page.iter("input"):
        if field.get("aria-invalid"):
            [element] = [
                visitor.page.get_element_by_id(id) for id in field.get("aria-describedby").split() if "problem" in id
            ]
            said[field.get("name")] = element.text_content().strip()
    return said


# -- an account is made


def test_somebody_makes_an_account_and_logs_in_with_it(site: Site, visitor: Visitor) -> None:
    assert visitor.sends(**OWN).status == 200
    assert exists(site, "romeo@localhost")
    with Stream(site.server) as stream:
        stream.open()
        assert stream.tries_password("romeo", PASSWORD) == "success"


def test_who_has_made_one_is_told_the_address_and_what_to_do_with_it(visitor: Visitor) -> None:
    visitor.sends(**OWN)
    assert "Your address is romeo@localhost." in visitor.text
    assert "enter romeo@localhost and your password" in visitor.text


def test_the_page_with_the_address_can_be_loaded_again_and_is_for_this_browser_alone(
    site: Site, visitor: Visitor
) -> None:
    visitor.sends(**OWN)
    visitor.goes("/register/done")
    assert "Your address is romeo@localhost." in visitor.text
    assert (got := get(site, "/register/done")).status == 303 and got.headers["location"] == "/"


def test_the_same_form_sent_twice_is_answered_twice_in_the_same_way(visitor: Visitor) -> None:
    fields = {**dict(visitor.page.forms[0].form_values()), **OWN}
    cookie = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
    clicks = [gevent.spawn(post_form, visitor.site, "/register", fields, Cookie=cookie) for _ in range(2)]
    gevent.joinall(clicks, raise_error=True)
    assert [(click.get().status, click.get().headers["location"]) for click in clicks] == [(303, "/register/done")] * 2


@pytest.mark.parametrize(
    "other", [{"password": "another one", "again": "another one"}, {}], ids=["password", "browser"]
)
def test_with_another_password_or_from_another_browser_the_name_is_taken(
    site: Site, visitor: Visitor, other: dict[str, str]
) -> None:
    visitor.sends(**OWN)
    again = visitor if other else Visitor(site)
    again.goes("/register")
    assert again.sends(**{**OWN, **other}).status == 409


@pytest.mark.parametrize("name", ["Romeo", " romeo ", "romeo@localhost", "ROMEO@LOCALHOST"])
def test_a_name_may_be_written_in_other_ways(site: Site, visitor: Visitor, name: str) -> None:
    visitor.sends(**{**OWN, "name": name})
    assert "Your address is romeo@localhost." in visitor.text


def test_with_several_domains_one_is_chosen_and_the_one_that_was_asked_for_is_proposed(tmp_path: Path) -> None:
    domains = {"domains": ["localhost", "bücher.example", "example.org"]}
    with web_server(tmp_path, PARTS, None, server=domains) as site:
        visitor = Visitor(site, host="xn--bcher-kva.example")
        visitor.goes("/register")
        [choice] = visitor.page.iter("select")
        assert [(each.get("value"), each.get("selected") is not None) for each in choice] == [
            ("localhost", False),
            ("bücher.example", True),
            ("example.org", False),
        ]
        visitor.sends(**OWN)
        assert exists(site, "romeo@bücher.example")
        visitor.goes("/register")
        visitor.sends(**OWN, domain="example.org")
        assert exists(site, "romeo@example.org") and not exists(site, "romeo@localhost")


# -- or not


UNSUITABLE = (
    "This password is too long, or has characters that not every app sends, or not all in the same way, "
    "such as ² or µ. Choose another one."
)
ELSEWHERE = "Addresses here end in @localhost. The name is what stands before that."
CONTROL = "with a \u0001 in it"
PREPARED = "10 m² in it"  # which a client that prepares passwords sends as "10 m2 in it"
WRONG = [
    ({"name": ""}, 400, {"name": "Choose a name."}),
    ({"name": "ro meo"}, 400, {"name": "There may be no spaces in a name."}),
    ({"name": "ro\u200bmeo"}, 400, {"name": "In the name there is a character that cannot be seen."}),
    ({"name": "ro/meo"}, 400, {"name": "There may be no / in a name."}),
    ({"name": "r" * 1024}, 400, {"name": "This name is too long."}),
    ({"name": "romeo@example.org"}, 400, {"name": ELSEWHERE}),
    ({"name": "juliet"}, 409, {"name": "This name is taken. Choose another one."}),
    ({"domain": "example.org"}, 400, {"name": "Choose one of the domains of this server."}),
    ({"password": "", "again": ""}, 400, {"password": "Choose a password."}),
    ({"password": "short", "again": "short"}, 400, {"password": "The password needs at least 8 characters."}),
    ({"password": "x" * 1024, "again": "x" * 1024}, 400, {"password": UNSUITABLE}),
    ({"password": CONTROL, "again": CONTROL}, 400, {"password": UNSUITABLE}),
    ({"password": PREPARED, "again": PREPARED}, 400, {"password": UNSUITABLE}),
    ({"again": "wherefore thou"}, 400, {"again": "The two passwords are not the same."}),
    ({"name": "", "again": ""}, 400, {"name": "Choose a name.", "again": "The two passwords are not the same."}),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "status", "said"), WRONG, ids=lambda value: str(value)[:40])
def test_what_is_wrong_is_said_at_the_field_and_above_the_form(
    site: Site, visitor: Visitor, wrong: dict[str, str], status: int, said: dict[str, str]
) -> None:
    assert visitor.sends(**{**OWN, **wrong}).status == status
    assert problems(visitor) == said
    [alert] = [each for each in visitor.page.iter("div") if each.get("role") == "alert"]
    assert [each.text_content().strip() for each in alert.iter("li")] == list(said.values())
    assert [each.get("href") for each in alert.iter("a")] == [f"#{field}" for field in said]
    assert [each.get("name") for each in visitor.page.iter("input") if each.get("autofocus") is not None] == [
        next(iter(said))
    ]
    assert not exists(site, "romeo@localhost")


def test_what_was_typed_is_kept_and_the_password_is_not(visitor: Visitor) -> None:
    got = visitor.sends(**{**OWN, "name": "ro meo"})
    [form] = visitor.page.forms
    assert (form.fields["name"], form.fields["password"], form.fields["again"]) == ("ro meo", None, None)
    assert PASSWORD not in got.text


def test_after_a_mistake_the_same_page_makes_the_account(site: Site, visitor: Visitor) -> None:
    visitor.sends(**{**OWN, "name": "ro meo"})
    visitor.sends(**OWN)
    assert exists(site, "romeo@localhost")


def test_a_get_makes_nothing_whatever_it_says(site: Site) -> None:
    assert (
        get(
            site, f"/register?name=romeo&domain=localhost&password={PASSWORD}&again={PASSWORD}".replace(" ", "+")
        ).status
        == 200
    )
    assert not exists(site, "romeo@localhost")


def test_whoever_fills_in_what_nobody_sees_is_told_so(site: Site, visitor: Visitor) -> None:
    assert visitor.sends(**OWN, subject="Cheap watches").status == 400
    assert "A field that has to stay empty was filled in" in visitor.text
    assert not exists(site, "romeo@localhost")


def test_what_is_no_form_is_refused(site: Site) -> None:
    assert post_form(site, "/register", OWN, Content_Type="application/json").status == 415
    assert post_form(site, "/register", {"name": "x" * 20_000}).status == 413


# -- where it is not open


def test_where_registration_is_closed_the_page_says_whom_to_ask(tmp_path: Path) -> None:
    with web_server(tmp_path, PARTS, None, register={"open": False}, disco={"admin": ["mailto:a@example.org"]}) as site:
        visitor = Visitor(site)
        assert visitor.goes("/register").status == 403
        assert "New accounts are made by whoever runs this server." in visitor.text
        assert "/contact" in visitor.links and not visitor.page.forms
        assert post_form(site, "/register", OWN).status == 403


def test_it_closes_with_the_configuration(site: Site, visitor: Visitor) -> None:
    site.server.reload(configuration(register={"open": False}))
    assert not site.server.settings(RegisterSettings).open
    assert visitor.sends(**OWN).status == 403
    assert not exists(site, "romeo@localhost")


@pytest.mark.parametrize("off", ["register", "pages", "registration_page"])
def test_without_registration_or_without_pages_there_is_no_such_page(tmp_path: Path, off: str) -> None:
    with web_server(tmp_path, PARTS, None, **{off: {"enabled": False}}) as site:
        assert get(site, "/register").status == 404
        assert "/register" not in get(site, "/").text


def test_nobody_is_asked_for_a_password_over_a_connection_that_others_can_read(site: Site) -> None:
    plain = {"X_Forwarded_For": "192.0.2.1", "X_Forwarded_Proto": "http"}
    got = get(site, "/register", **plain)
    assert (got.status, "<form" in got.text) == (403, False)
    assert post_form(site, "/register", OWN, **plain).status == 403
    assert not exists(site, "romeo@localhost")


def test_behind_a_proxy_that_ends_tls_the_form_is_that_of_a_secure_connection(site: Site) -> None:
    for client in ("192.0.2.1", "unknown"):
        got = get(site, "/register", X_Forwarded_For=client, X_Forwarded_Proto="https")
        assert got.status == 200
        assert [cookie.partition("=")[0] for cookie in got.cookies] == ["__Host-xserv-token"]
