"""Whatever becomes of requests on the way (XEP-0124 section 14), all that a client says arrives once and in order."""

from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.harness.bosh import PATH, Answer, BoshClient, written
from tests.harness.browsing import browser, web_server
from tests.harness.websockets import standing_alone
from web.bosh.endpoint import Sessions
from web.site import Site

# "cut" at so many bytes of the request; with all of them sent, it is the answer that is lost.
FATES = st.one_of(
    st.sampled_from(["arrives", "answer lost", "twice at once", "twice", "overtaken"]).map(lambda fate: (fate, 0)),
    st.tuples(st.just("cut"), st.integers(0, 600)),
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with web_server(tmp_path_factory.mktemp("bosh")) as site:
        yield site


class Talker:
    """A client that says one thing after the other to itself, over a bad network."""

    def __init__(self, site: Site, client: BoshClient) -> None:
        self._site, self._client = site, client
        client.logs_in()
        self._address = client.binds()
        self.said: list[str] = []
        self.heard: list[str] = []

    def says(self, fate: str, cut: int) -> None:
        """Say the next thing; its request, or its answer, meets this fate."""
        first = self._request()
        if fate == "overtaken":
            later = self._request()
            ahead = self._client.asks_bytes(later)
            gevent.sleep(0)
            self._hears(first)
            pause = self._client.asks_bytes(written("", {**self._numbers(), "pause": "60"}))  # it may be held else
            self._hears(later, ahead)
            assert self._client.answer(pause).is_empty
            return
        if fate in ("cut", "answer lost"):
            self._hang_up(first, cut if fate == "cut" else None)
        asked = [self._client.asks_bytes(first) for _ in range(2 if fate == "twice at once" else 1)]
        self._hears(first, *asked)
        if fate == "twice":
            assert self._final(first).got.content == self._final(first).got.content

    def hears_the_rest(self) -> None:
        """Ask until there is nothing left to hear."""
        while len(self.heard) < len(self.said):
            request = written("", self._numbers())
            self._hears(request)
        pinged = self._client.post(standing_alone("<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>"))
        assert [each.get("id") for each in pinged.body] == ["p"]  # and nothing else has come

    def _request(self) -> bytes:
        text = str(len(self.said))
        self.said.append(text)
        content = f"<message to='{self._address}' type='chat'><body>{text}</body></message>"
        return written(standing_alone(content), self._numbers())

    def _numbers(self) -> dict[str, str | None]:
        self._client.rid += 1
        return {"rid": str(self._client.rid - 1), "sid": self._client.sid}

    def _hang_up(self, request: bytes, cut: int | None) -> None:
        head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(request)}\r\n\r\n".encode()
        with browser(self._site) as connection:
            connection.sock.sendall((head + request)[:cut])

    def _hears(self, request: bytes, *asked: Any) -> None:
        """Take what this request was answered; what comes for others that are the same has to be the same."""
        answers = [self._client.answer(each) for each in asked]
        final = [answer for answer in answers if answer.end != ("error", None)] or [self._final(request)]
        assert len({answer.got.content for answer in final}) == 1
        assert final[0].end == (None, None)
        self.heard += [each.findtext("{jabber:client}body") or "" for each in final[0].body]

    def _final(self, request: bytes) -> Answer:
        """The answer to a request that is sent until there is one."""
        while True:
            answer = self._client.answer(self._client.asks_bytes(request))
            if answer.end != ("error", None):
                return answer


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(FATES, max_size=12))
def test_whatever_becomes_of_requests_everything_arrives_once_and_in_order(
    site: Site, course: list[tuple[str, int]]
) -> None:
    with BoshClient(site) as client:
        talker = Talker(site, client)
        for fate, cut in course:
            talker.says(fate, cut)
        talker.hears_the_rest()
        assert talker.heard == talker.said
        client.leave()


def test_every_fate_is_met(site: Site) -> None:
    """So that a course that hypothesis makes of them means something."""
    with BoshClient(site) as client:
        talker = Talker(site, client)
        fates = ["arrives", "answer lost", "twice at once", "twice", "overtaken"]
        for fate, cut in [*((fate, 0) for fate in fates), *(("cut", cut) for cut in range(0, 500, 9))]:
            talker.says(fate, cut)
        talker.hears_the_rest()
        assert talker.heard == talker.said
        assert len(talker.said) > 60
    assert site.server.state(Sessions).by_sid
