"""Questions to DNS: asked once at a time, of one name server after the other, and remembered."""

from collections.abc import Callable, Sequence

import gevent
from gevent.event import AsyncResult

from xmpp.federation.dns.cache import Cache
from xmpp.federation.dns.exchange import Exchange
from xmpp.federation.dns.failures import LookupFailed, NoAnswer
from xmpp.federation.dns.messages import Answer, Question
from xmpp.federation.dns.nameservers import NameServers
from xmpp.federation.dns.settings import NameServer

REMEMBERED, REMEMBERED_BYTES = 10_000, 4_000_000  # answers with records
NOTHING_REMEMBERED, NOTHING_BYTES = 2_000, 1_000_000  # without: whoever makes names up forgets no others
# How long each name server may take, the first time and then once more. A resolver that has to ask around itself may
# take some seconds.
ROUNDS = (3.0, 5.0)
MOST_SECONDS = 12.0  # until a question has no answer


class Asked:
    """A question that has been asked: what there is to know of it, once it is known."""

    def __init__(self) -> None:
        self._result: AsyncResult[Answer] = AsyncResult()

    def get(self) -> Answer:
        """Wait for the answer. Yields, unless it is known. Raises LookupFailed."""
        answer = self._result.get()
        assert answer is not None
        return answer

    def when_known(self, act: "Callable[[Asked], object]") -> None:
        """Call act(self) from the loop once the answer, or the failure, is known."""
        self._result.rawlink(lambda _: act(self))

    def answer(self, answer: Answer) -> None:
        """That is the answer."""
        self._result.set(answer)

    def fail(self, failure: Exception) -> None:
        """There is none; whoever has asked raises that."""
        self._result.set_exception(failure)


class Resolver:
    """Asks DNS. `configured`: the name servers that are set, if any."""

    def __init__(self, configured: Callable[[], Sequence[NameServer]]) -> None:
        self._configured = configured
        self._servers = NameServers()
        self._exchange = Exchange()
        self._positive = Cache(REMEMBERED, REMEMBERED_BYTES)
        self._negative = Cache(NOTHING_REMEMBERED, NOTHING_BYTES)
        self._asked = dict[Question, Asked]()

    def ask(self, name: str, type: str) -> Asked:
        """What will have the answer, or LookupFailed. Does not yield.

        Who asks the same before there is an answer gets the same.
        """
        question = name, type
        answer = self._positive.get(question) or self._negative.get(question)
        if answer is not None:
            known = Asked()
            known.answer(answer)
            return known
        if question not in self._asked:
            self._asked[question] = Asked()
            gevent.spawn(self._find, question, self._asked[question])
        return self._asked[question]

    def _find(self, question: Question, asked: Asked) -> None:
        try:
            with gevent.Timeout(MOST_SECONDS):
                answer = self._answer(question)
        except (Exception, gevent.Timeout) as error:
            del self._asked[question]
            asked.fail(error if isinstance(error, Exception) else NoAnswer("no name server answers in time"))
        else:
            del self._asked[question]
            (self._positive if answer.records else self._negative).put(question, answer)
            asked.answer(answer)

    def _answer(self, question: Question) -> Answer:
        """Ask one name server after the other; one that has no answer is asked once more."""
        servers = self._servers.in_order(self._configured())
        failure = LookupFailed("there is no name server")
        for seconds in ROUNDS:
            for server in servers[:]:
                try:
                    return self._exchange.ask(server, question, seconds)
                except NoAnswer as error:
                    failure = error
                except LookupFailed as error:
                    failure = error
                    servers.remove(server)
                self._servers.failed(server)
        raise failure
