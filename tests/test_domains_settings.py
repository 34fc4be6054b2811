"""Settings that may differ by domain: how they are written and checked, and that each of them holds at its domain."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import assembly
from db import rooms as room_records
from handlers.discovery import caps
from handlers.login.register import RegisterSettings
from handlers.rooms.settings import RoomSettings
from handlers.upload.settings import UploadSettings
from tests.harness.browsing import browser, web_server
from tests.harness.commandline import complaint, xserv
from tests.harness.domains import DOMAINS, IDN, A, B, hosting
from tests.harness.in_process import Client, online
from tests.harness.rooms import enter, told
from tests.harness.streams import Stream, listening_server, local_name, outcome
from tests.harness.visitors import WITHOUT_CLIENT, Visitor
from web.pages.own_texts import PagesSettings
from web.site import Site
from xmpp.config.configuration import ConfigError, Configuration, entries_of
from xmpp.config.texts import documentation, example
from xmpp.config_review import notes_on_domains, unwise
from xmpp.data.jid import JID

SERVED = f'[server]\ndomains = ["{A}", "{B}"]\n'


def read(folder: Path, text: str) -> Configuration:
    path = folder / "xserv.toml"
    path.write_text(SERVED + text, encoding="utf-8")
    return assembly.read_configuration(path)


# -- how they are written, and checked


def test_what_is_set_for_a_domain_holds_there_and_the_rest_is_as_everywhere(tmp_path: Path) -> None:
    read_now = read(
        tmp_path,
        f"""
        [domains."{B}"]
        register.open = true
        upload.max_account_bytes = 500_000_000
        [domains."{A}".rooms]
        creators = "nobody"
        [upload]
        max_file_bytes = 1000
        """,
    )
    assert [read_now.at(each, RegisterSettings).open for each in (A, B, "c.example")] == [False, True, False]
    assert [read_now.at(each, RoomSettings).creators for each in (A, B)] == ["nobody", "accounts"]
    of_b = read_now.at(B, UploadSettings)
    assert (of_b.max_account_bytes, of_b.max_file_bytes) == (500_000_000, 1000)
    assert read_now[UploadSettings].max_account_bytes == read_now.at(A, UploadSettings).max_account_bytes


def test_options_of_the_command_line_leave_it_as_it_is(tmp_path: Path) -> None:
    given = read(tmp_path, f'[domains."{B}"]\nregister.open = true\n')
    changed = given.with_values({"register": {"accounts_per_address": 7}})
    assert changed.at(B, RegisterSettings) == RegisterSettings(open=True, accounts_per_address=7)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[domains]\nopen = true", '[domains."open"]: expected lines such as register.open = true; see docs'),
        (f'[domains."{B}"]\nopen = true', f'[domains."{B}"]: expected lines such as register.open = true; see docs'),
        (f'[domains."{B}"]\nregistr.open = true', f'[domains."{B}"]: there is no section [registr], did you mean'),
        (f'[domains."{B}"]\nregister.open = 3', f'[domains."{B}"] register open: expected true or false, found 3.'),
        (f'[domains."{B}"]\nregister.opn = true', f'[domains."{B}"] register has no setting opn, did you mean open?'),
        (f'[domains."{B}"]\nregister.min_password_length = 3', "min_password_length is the same for all"),
        (f'[domains."{B}"]\nstreams.stanza_bytes = 3', "[streams] stanza_bytes is the same for all domains"),
        (f'[domains."{B}"]\nguests.enabled = true', '[guests] enabled is the same for all domains'),
        (f'[domains."{B}"]\nupload.max_file_bytes = 0', "upload max_file_bytes: expected a whole number from 1"),
        (f'[domains."{B}"]\ndisco.abuse = ["x"]', "disco abuse: expected addresses like mailto:abuse@example.org"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    assert sentence in str(caught.value)


def test_what_was_hardly_meant_is_found(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        f"""administrators = ["juliet@c.example"]
        [domains."c.example"]
        disco.name = "C"
        [domains."{B}"]
        register.open = true
        upload.max_file_bytes = 3_000_000_000
        [domains."{A}"]
        upload.max_account_bytes = 50
        """,
    )
    doubts = unwise(found, None)
    for expected in (
        f'[domains."c.example"] has no effect: expected one of the [server] domains, {A}, {B}.',
        f'[domains."{B}"] register.open has no effect, since [register] enabled is false.',
        f'[domains."{B}"] upload.max_file_bytes: expected at most 2000000000 ([upload] max_account_bytes by default), '
        f'found 3000000000 ([domains."{B}"] upload.max_file_bytes).',
        f'[domains."{A}"] upload.max_file_bytes: expected at most 50 ([domains."{A}"] upload.max_account_bytes), '
        "found 100000000 ([upload] max_file_bytes by default).",
        "[server] administrators: juliet@c.example is at none of the [server] domains, so nobody can log in as it.",
    ):
        assert expected in doubts
    assert list(notes_on_domains(found)) == [
        f'{B}: has its own register.open, upload.max_file_bytes, by [domains."{B}"].',
        f'{A}: has its own upload.max_account_bytes, by [domains."{A}"].',
    ]


def test_config_check_says_which_domains_have_settings_of_their_own(tmp_path: Path) -> None:
    file = tmp_path / "xserv.toml"
    file.write_text(f'{SERVED}[domains."{B}"]\ndisco.name = "The B club"\n', encoding="utf-8")
    checked = xserv("config", "check", file)
    assert f'{B}: has its own disco.name, by [domains."{B}"].' in checked.stdout + checked.stderr
    file.write_text(f'{SERVED}[domains."{B}"]\ndisco.nme = "The B club"\n', encoding="utf-8")
    assert "did you mean name?" in complaint("config", "check", file)


def test_files_for_a_domain_lie_beside_the_configuration(tmp_path: Path) -> None:
    assert read(tmp_path, f'[domains."{B}"]\npages.terms = "b.txt"\n').at(B, PagesSettings).terms == tmp_path / "b.txt"


def test_which_settings_may_differ_is_documented_and_none_of_them_needs_a_restart() -> None:
    found = [
        (section.name, entry)
        for section in assembly.sections()
        if section.settings
        for entry in entries_of(section.settings).values()
        if entry.rule.by_domain
    ]
    assert {f"{name}.{entry.key}" for name, entry in found} >= {"register.open", "guests.welcome", "disco.name"}
    assert [entry.key for _, entry in found if entry.rule.restart or entry.rule.secret] == []
    assert documentation(assembly.sections()).count("May differ by domain.") == len(found)
    assert '[domains."example.net"]' in example(assembly.sections())


# -- what holds where


FOR_B = {
    "register": {"open": True},
    "guests": {"welcome": True},
    "disco": {"name": "The B club", "abuse": ["mailto:abuse@b.example"]},
    "rooms": {"creators": "everybody"},
    "pubsub": {"creators": "nobody"},
    "upload": {"max_file_bytes": 100, "max_account_bytes": 150},
}
INFO = "<query xmlns='http://jabber.org/protocol/disco#info'/>"


def chosen(**more: Any) -> dict[str, Any]:
    return {
        "domains": {B: {**FOR_B, **more.pop("for_b", {})}},
        "register": {"open": False},
        "guests": {"enabled": True, "welcome": False, "per_address": 0},
        **more,
    }


def offered(stream: Stream) -> Sequence[str]:
    features = stream.open()
    return [each.text or local_name(each) for each in features.iter() if local_name(each) in ("mechanism", "register")]


def test_guests_and_strangers_are_let_in_where_they_are_welcome(tmp_path: Path) -> None:
    with listening_server(tmp_path, **chosen(server={"domains": ["localhost", A, B]})) as server:
        for domain, is_theirs in ((A, False), (B, True)):
            with Stream(server, domain=domain) as stream:
                found = offered(stream)
                assert ("ANONYMOUS" in found) is is_theirs
                answer = stream.asks("<iq type='get' id='r'><query xmlns='jabber:iq:register'/></iq>")
                assert answer.get("type") == ("result" if is_theirs else "error")
                new = "<username>nurse</username><password>a long one, this</password>"
                answer = stream.asks(f"<iq type='set' id='s'><query xmlns='jabber:iq:register'>{new}</query></iq>")
                assert answer.get("type") == ("result" if is_theirs else "error")
                assert outcome(stream.begins("ANONYMOUS")) == ("success" if is_theirs else "invalid-mechanism")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Any]:
    with hosting(tmp_path, **chosen()) as server:
        server.find_web_base = lambda domain: f"https://{domain}"
        yield server


def test_names_and_contact_addresses_are_those_of_the_domain_that_is_asked(server: Any) -> None:
    juliet = online(server, f"juliet@{A}/x")
    of_a, of_b = (juliet.asks(INFO, to=domain) for domain in (A, B))
    assert "The B club" in of_b and "mailto:abuse@b.example" in of_b
    assert "The B club" not in of_a and "mailto:" not in of_a
    assert caps.node(server, A) != caps.node(server, B) and caps.node(server, A) == caps.node(server, IDN)
    for domain, about in ((A, of_a), (B, of_b)):
        node = caps.node(server, domain)
        asked = juliet.asks(INFO.replace("/>", f" node='{node}'/>"), to=domain)
        assert asked.replace(f' node="{node}"', "") == about
    other = caps.node(server, B)
    assert juliet.asks(INFO.replace("/>", f" node='{other}'/>"), to=A) == "item-not-found"


def test_rooms_and_nodes_are_made_by_those_who_may_at_that_domain(server: Any) -> None:
    of_a, of_b = online(server, f"juliet@{A}/x"), online(server, f"juliet@{B}/x")
    refused = ["juliet error not-allowed cancel"]
    assert told(enter(of_b, "juliet", room=f"verona@rooms.{A}")) == refused  # accounts: those of the domain
    for client, room in ((of_a, f"verona@rooms.{A}"), (of_a, f"verona@rooms.{B}"), (of_b, f"padua@rooms.{B}")):
        assert told(enter(client, "juliet", room=room)) != refused
        assert room_records.find(server.db, JID.parse(room)) is not None
    create = "<pubsub xmlns='http://jabber.org/protocol/pubsub'><create node='{}'/></pubsub>"
    assert of_a.asks(create.format("one"), type="set", to=f"pubsub.{A}") != "forbidden"
    assert of_b.asks(create.format("two"), type="set", to=f"pubsub.{A}") == "forbidden"
    assert of_b.asks(create.format("three"), type="set", to=f"pubsub.{B}") == "forbidden"


def slot(client: Client, domain: str, size: int) -> str:
    asked = f"<request xmlns='urn:xmpp:http:upload:0' filename='x' size='{size}'/>"
    return client.asks(asked, to=f"upload.{domain}")


def test_quotas_are_those_of_the_domain_of_the_account_whichever_service_is_asked(server: Any) -> None:
    of_a, of_b = online(server, f"juliet@{A}/x"), online(server, f"juliet@{B}/x")
    for service in (A, B):
        assert slot(of_b, service, 101) == "not-acceptable"
        assert slot(of_a, service, 101).startswith("<slot")
    assert slot(of_b, B, 100).startswith("<slot")
    assert slot(of_b, B, 100) == "resource-constraint"
    for domain, most in ((A, "100000000"), (B, "100")):
        assert f"<value>{most}</value>" in of_a.asks(INFO, to=f"upload.{domain}")


# -- pages


@contextmanager
def pages(folder: Path, **more: Any) -> Iterator[Site]:
    for name in ("a", "b"):
        (folder / name).write_text(f"The terms of {name}.", encoding="utf-8")
    settings = chosen(
        server={"domains": ["localhost", *DOMAINS]},
        pages={"terms": str(folder / "a")},
        for_b={"pages": {"terms": str(folder / "b"), "imprint": str(folder / "b")}},
        **more,
    )
    with web_server(folder, WITHOUT_CLIENT, None, **settings) as site:
        yield site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with pages(tmp_path) as site:
        yield site


def get(site: Site, host: str, path: str) -> tuple[int, str]:
    with browser(site, host=host) as connection:
        got = connection.ask("GET", path)
    return got.status, got.text


def test_each_page_is_that_of_its_host_name(site: Site) -> None:
    assert get(site, B, "/register")[0] == 200
    for host in (A, "localhost", "xn--bcher-kva.example"):
        assert get(site, host, "/register")[0] == 403
    assert "The terms of b." in get(site, B, "/terms")[1] and "The terms of a." in get(site, A, "/terms")[1]
    assert get(site, B, "/imprint")[0] == 200 and get(site, A, "/imprint")[0] == 404
    assert "The B club" in get(site, B, "/contact")[1] and "abuse@b.example" in get(site, B, "/contact")[1]
    assert "The B club" not in get(site, A, "/contact")[1] and "abuse@" not in get(site, A, "/contact")[1]
    assert "The B club" not in get(site, B.replace("b.", "a."), "/")[1]


def test_accounts_are_made_on_the_page_where_that_is_open(site: Site) -> None:
    visitor = Visitor(site, host=B)
    visitor.goes("/register")
    assert visitor.page.forms[0].fields["domain"] == B
    password = "a long one, this"
    for domain in (A, "localhost", IDN):
        got = visitor.sends(name="nurse", domain=domain, password=password, again=password)
        assert got.status == 400
    assert visitor.sends(name="nurse", domain=B, password=password, again=password).status == 200
    assert f"nurse@{B}" in visitor.text
