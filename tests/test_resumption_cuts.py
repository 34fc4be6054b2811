"""XEP-0198 section 5 over sockets: connections that are cut at every byte, resumptions that race, and a restart."""

from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest
from lxml import etree

from handlers.login import accounts
from handlers.sessions.managed_sessions import Management
from handlers.sessions.stream_management_elements import REQUEST_WIRE
from tests.harness.in_process import Client
from tests.harness.managed_client import JULIET, NAMESPACE, ROMEO, bodies, write
from tests.harness.rawclient import RawClient, condition_of, logged_in, new_account
from tests.harness.servers import RunningServer
from tests.harness.streams import PATIENCE, Stream, listening_server, local_name
from xmpp.server import Server

REQUEST = f"<r xmlns='{NAMESPACE}'/>"
TEXTS = ["one", "two", "three"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """With the archive: what is sent waits for the disk."""
    with listening_server(tmp_path, archive={"enabled": True}) as server:
        accounts.create(server, ROMEO, "secret")
        yield server


class Juliet:
    """A client whose connection is cut again and again. `got` and `sent` are its counts."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.got = self.sent = 0
        self.stream = Stream(server)
        self.stream.logs_in()
        self.stream.binds("balcony")
        self.id = self.stream.asks(f"<enable xmlns='{NAMESPACE}' resume='true'/>").get("id")

    def is_cut_off_and_resumes(self) -> int:
        """Returns the server's count."""
        self.stream.close()
        self.stream = Stream(self.server)
        self.stream.logs_in()
        resumed = self.stream.asks(f"<resume xmlns='{NAMESPACE}' previd='{self.id}' h='{self.got}'/>")
        assert local_name(resumed) == "resumed", etree.tostring(resumed)
        return int(resumed.get("h", ""))

    def is_acknowledged(self) -> None:
        """Ask for the server's count, and wait until it says that all is there: first it may not be on the disk."""
        answer = self.stream.asks(REQUEST)
        while int(answer.get("h", "")) < self.sent:
            answer = self.stream.asks("")
        assert (local_name(answer), answer.get("h")) == ("a", str(self.sent))

    def acknowledges(self) -> None:
        """Say what has arrived, and wait until the server knows."""
        self.stream.send(f"<a xmlns='{NAMESPACE}' h='{self.got}'/>")
        self.is_acknowledged()

    def receives(self, count: int) -> list[str]:
        """The texts of the next messages, and after them the server's request."""
        found = [self.stream.asks("") for _ in range(count)]
        self.got += count
        if count:
            assert local_name(self.stream.asks("")) == "r"
        return [element.findtext("{jabber:client}body", "") for element in found]


# -- cut at every byte


def test_cut_at_any_byte_what_the_client_sends_arrives_once_and_in_order(server: Server) -> None:
    romeo, juliet = Client(server, f"{ROMEO}/orchard"), Juliet(server)
    messages = [f"<message to='{ROMEO}/orchard'><body>{text}</body></message>" for text in TEXTS]
    data = REQUEST.join(messages)
    for cut in range(len(data) + 1):
        juliet.stream.send(data[:cut])
        juliet.sent += len(TEXTS)
        missing = juliet.sent - juliet.is_cut_off_and_resumes()
        juliet.stream.send("".join(messages[len(TEXTS) - missing :]))
        juliet.is_acknowledged()
        assert bodies(romeo.received()) == TEXTS, f"cut after {data[:cut]!r}"


def test_cut_at_any_byte_what_the_client_gets_arrives_once_and_in_order(server: Server) -> None:
    romeo, juliet = Client(server, f"{ROMEO}/orchard"), Juliet(server)
    cut = 0
    while cut <= write_to(juliet, romeo):
        data = juliet.stream.reads(cut)
        arrived = data.count(b"</message>")
        juliet.got += arrived
        juliet.is_cut_off_and_resumes()
        assert juliet.receives(len(TEXTS) - arrived) == TEXTS[arrived:], f"cut after {data!r}"
        juliet.acknowledges()
        cut += 1


def write_to(juliet: Juliet, romeo: Client) -> int:
    """Send the messages; returns how many bytes the server writes for them, its request at the end included."""
    write(romeo, *TEXTS, to=f"{JULIET}/balcony")
    [session] = juliet.server.online.sessions(JULIET)
    management = session.state(Management)
    assert management is not None and len(management.sent) == len(TEXTS)
    return management.sent.size + len(REQUEST_WIRE)


# -- over real streams


def enabled(server: Server, resource: str, **attributes: str) -> tuple[Stream, str]:
    """A stream of juliet's with a session that can be resumed, and its id."""
    stream = Stream(server)
    stream.logs_in()
    stream.binds(resource)
    more = "".join(f" {name}='{value}'" for name, value in attributes.items())
    return stream, str(stream.asks(f"<enable xmlns='{NAMESPACE}' resume='true'{more}/>").get("id"))


def test_a_session_ends_when_the_time_is_over(tmp_path: Path) -> None:
    with listening_server(tmp_path) as server:
        accounts.create(server, ROMEO, "secret")
        with Stream(server) as romeo:
            romeo.logs_in("romeo")
            romeo.binds("orchard")
            juliet, id = enabled(server, "balcony", max="1")
            juliet.send(f"<presence to='{ROMEO}/orchard'/>")
            juliet.close()
            shown = romeo.asks("")
            assert (shown.get("from"), shown.get("type")) == (f"{JULIET}/balcony", None)
            assert romeo.asks("").get("type") == "unavailable"
            with Stream(server) as again:
                again.logs_in()
                late = again.asks(f"<resume xmlns='{NAMESPACE}' previd='{id}' h='0'/>")
                assert (local_name(late[0]), late.get("h")) == ("item-not-found", "1")
                assert again.binds("balcony") == f"{JULIET}/balcony"  # on the same stream


def test_of_two_that_resume_at_the_same_time_the_last_one_goes_on(tmp_path: Path) -> None:
    with listening_server(tmp_path) as server:
        juliet, id = enabled(server, "balcony")
        with Stream(server) as one, Stream(server) as other:
            for stream in (one, other):
                stream.logs_in()
            juliet.close()
            for stream in (one, other):
                stream.send(f"<resume xmlns='{NAMESPACE}' previd='{id}' h='0'/>")
            readers = {gevent.spawn(stream.last_words): stream for stream in (one, other)}
            [loser] = gevent.wait(readers, timeout=PATIENCE, count=1)
            assert loser.get() == ["resumed", "conflict"]
            [winner] = readers.keys() - {loser}
            stream = readers[winner]
            stream.send(f"<message type='chat' to='{JULIET}/balcony'><body>to myself</body></message></stream:stream>")
            assert winner.get(timeout=PATIENCE) == ["resumed", "body"]


def test_the_end_of_the_stream_ends_the_session_at_once(tmp_path: Path) -> None:
    with listening_server(tmp_path) as server:
        juliet, id = enabled(server, "balcony")
        juliet.send("</stream:stream>")
        juliet.last_words()
        with Stream(server) as again:
            again.logs_in()
            assert local_name(again.asks(f"<resume xmlns='{NAMESPACE}' previd='{id}' h='0'/>")[0]) == "item-not-found"
            assert server.online.sessions(JULIET) == ()


# -- a restart


@pytest.mark.parametrize("is_connected", [False, True], ids=["hibernating", "connected"])
def test_a_restart_keeps_what_had_not_arrived_and_tells_what_had(tmp_path: Path, is_connected: bool) -> None:
    folder = str(tmp_path)
    with RunningServer.demo("--data", folder) as server:
        juliet, romeo = new_account(server.port), new_account(server.port)
        with logged_in(server.port, *juliet, "phone") as phone, logged_in(server.port, *romeo) as sender:
            phone.send("<presence/>")
            phone.comes_before_pong()
            phone.send(f"<enable xmlns='{NAMESPACE}' resume='true'/>")
            id = phone.receive().get("id")
            phone.comes_before_pong()
            if not is_connected:
                phone.close()
            for text in TEXTS:
                sender.send(f"<message type='chat' to='{juliet[0]}@localhost'><body>{text}</body></message>")
            sender.comes_before_pong()
            assert server.terminate() == 0
    with RunningServer.demo("--data", folder) as server, RawClient(server.port) as again:
        again.open()
        again.authenticate(*juliet)
        again.send(f"<resume xmlns='{NAMESPACE}' previd='{id}' h='0'/>")
        refusal = again.receive()
        assert (condition_of(refusal), refusal.get("h")) == ("item-not-found", "1")
        again.bind("phone")
        again.send("<presence/>")
        received = [element.findtext("{jabber:client}body") for element in again.comes_before_pong()]
        assert [text for text in received if text] == TEXTS
