"""Two clients of a library that nobody here wrote: slixmpp over TLS, from login to conversation."""

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from slixmpp import JID

from tests.harness.authority import CLIENT, Authority
from tests.harness.configured import run_server
from tests.harness.people import JULIET, ROMEO, Person, become_friends, online, plugin, trusting
from tests.harness.servers import RunningServer
from xmpp.stream.tls.exporter import Exporter

# slixmpp binds to the channel by tls-unique, which TLS 1.3 does not have.
VERSIONS = {ssl.TLSVersion.TLSv1_2: "-PLUS", ssl.TLSVersion.TLSv1_3: "SCRAM-SHA-512"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("slixmpp")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[RunningServer]:
    with run_server(folder) as server:
        yield server


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
def test_two_people_find_each_other_and_talk(server: RunningServer, folder: Path, version: ssl.TLSVersion) -> None:
    asyncio.run(find_each_other_and_talk(server, folder, version))


async def find_each_other_and_talk(server: RunningServer, folder: Path, version: ssl.TLSVersion) -> None:
    async with (
        online(server, JULIET, trusting(folder, version)) as juliet,
        online(server, ROMEO, trusting(folder, version)) as romeo,
    ):
        assert VERSIONS[version] in juliet.mechanism
        assert VERSIONS[version] in romeo.mechanism
        await become_friends(romeo, juliet)
        await talk(romeo, juliet)
        await part(romeo, juliet)


async def talk(romeo: Person, juliet: Person) -> None:
    romeo.send_message(mto=JID(juliet.boundjid.bare), mbody="She speaks: \U0001f319 <&>", mtype="chat")
    heard = await juliet.next("message")
    assert (heard["from"], heard["body"]) == (romeo.boundjid, "She speaks: \U0001f319 <&>")
    heard.reply("O Romeo").send()
    answer = await romeo.next("message")
    assert (answer["from"], answer["to"], answer["body"]) == (juliet.boundjid, romeo.boundjid, "O Romeo")


async def part(romeo: Person, juliet: Person) -> None:
    """One removes the other, and so the friendship ends both ways."""
    await romeo.del_roster_item(juliet.boundjid.bare)  # type: ignore[no-untyped-call]
    await juliet.next_from("got_offline", romeo.boundjid.bare)
    await juliet.get_roster()
    assert juliet.client_roster[romeo.boundjid.bare]["subscription"] == "none"
    await juliet.del_roster_item(romeo.boundjid.bare)  # type: ignore[no-untyped-call]


def test_one_that_can_export_keying_material_binds_to_it(server: RunningServer, folder: Path) -> None:
    """slixmpp knows the binding, and Python does not yet."""

    def export(person: Person) -> None:
        mechanisms = plugin(person, "feature_mechanisms")
        usual = mechanisms.sasl_callback

        def credentials(required: set[str], optional: set[str]) -> dict[str, object]:
            found: dict[str, object] = usual(required, optional)
            if "channel_binding" in found:
                assert person.socket is not None
                found["channel_binding"] = Exporter().exported(person.socket)
            return found

        mechanisms.sasl_callback = credentials

    async def log_in() -> None:
        context = trusting(folder, ssl.TLSVersion.TLSv1_3)
        async with online(server, JULIET, context, prepare=export) as juliet:
            assert juliet.mechanism == "SCRAM-SHA-512-PLUS"
            assert plugin(juliet, "feature_mechanisms").mech.gs2_header == b"p=tls-exporter,,"

    asyncio.run(log_in())


def test_one_that_has_a_certificate_needs_no_password(tmp_path: Path) -> None:
    authority = Authority()
    people = authority.write_root(tmp_path / "people.pem")
    hers = authority.issue(purposes=(CLIENT,), xmpp_addresses=[JULIET]).write(tmp_path / "hers")

    def show(person: Person) -> None:
        person.password = ""
        person.certfile, person.keyfile = str(hers / "fullchain.pem"), str(hers / "privkey.pem")
        plugin(person, "feature_mechanisms").use_mech = "EXTERNAL"

    async def log_in() -> None:
        with run_server(tmp_path, tls={"client_authorities": {"localhost": str(people)}}) as server:
            context = trusting(tmp_path, ssl.TLSVersion.TLSv1_3)
            async with online(server, JULIET, context, prepare=show) as juliet:
                assert juliet.mechanism == "EXTERNAL"

    asyncio.run(log_in())


def test_a_wrong_password_lets_nobody_in(server: RunningServer, folder: Path) -> None:
    async def try_it() -> None:
        person = Person(JULIET, "wrong", trusting(folder, ssl.TLSVersion.TLSv1_3))
        person.connect("127.0.0.1", server.port)
        await person.next("failed_auth")
        await person.disconnect()

    asyncio.run(try_it())
