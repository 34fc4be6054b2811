"""No message is acknowledged or shown to anybody before it is on the disk, as the system calls of a server tell.

test_durability.py says how, and has the same for all else that is stored. An acknowledgement (XEP-0198) is only a
number, so here the messages of each writer are counted.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.harness.letters import acquainted_writers
from tests.harness.tracing import SYNCS, WRITES, Call, calls, traced_server

MESSAGES = 40  # by each writer
WRITERS = 3
ACKNOWLEDGED = re.compile(rb"<a [^>]*h=\"(\d+)\"")
STANZAS_BEFORE = 1  # each writer's presence, which counts as well

Trace = Sequence[str]
Written = Mapping[str, Sequence[str]]
"""By the address of who wrote them: messages, in order."""


def told_too_early(trace: Trace, written: Written) -> list[str]:
    """Which of these messages were acknowledged or shown to somebody before they were on the disk."""
    made = calls(trace)
    safe_from = {message: _safe_from(made, message) for messages in written.values() for message in messages}
    told = [*_acknowledgements(made, written), *_showings(made, safe_from)]
    return sorted({message for message, at in told if at < safe_from[message]})


def _safe_from(made: Sequence[Call], message: str) -> float:
    """Where in the trace the first sync ended that had begun once the message was committed."""
    log = [call for call in made if call.is_of_log and call.name in WRITES]
    row = next(place for place, call in enumerate(log) if _is_in(message, call))
    header = next(place for place in range(row - 1, len(log)) if log[place].is_commit)
    committed = log[header + 1].ended
    syncs = (call for call in made if call.name in SYNCS and call.is_of_log and call.succeeded)
    return min((sync.ended for sync in syncs if sync.began > committed), default=float("inf"))


def _acknowledgements(made: Sequence[Call], written: Written) -> Iterator[tuple[str, int]]:
    """The messages that were acknowledged, and where."""
    for address, messages in written.items():
        bound = next(call for call in made if call.is_to_client and f"<jid>{address}/".encode() in call.data)
        known = 0
        for call in made:
            for count in ACKNOWLEDGED.findall(call.data) if call.is_to_client and call.file == bound.file else ():
                acknowledged = max(known, int(count) - STANZAS_BEFORE)
                yield from ((message, call.began) for message in messages[known:acknowledged])
                known = acknowledged
        assert known >= len(messages)


def _showings(made: Sequence[Call], messages: Iterable[str]) -> Iterator[tuple[str, int]]:
    """The messages that somebody got, and where. Not all: a writer who has enough leaves."""
    for message in messages:
        shown = next((call for call in made if call.is_to_client and _is_in(message, call)), None)
        if shown is not None:
            yield message, shown.began


def _is_in(message: str, call: Call) -> bool:
    return f">{message}<".encode() in call.data


# -- a server in traffic


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trace, Written]:
    """What strace says of a server while some people write to each other, and what they wrote."""
    with traced_server(tmp_path_factory.mktemp("traced")) as (server, lines):
        writers = acquainted_writers(server.port, WRITERS)
        with ThreadPoolExecutor(WRITERS) as pool:
            list(pool.map(lambda writer: writer.write(server.port, MESSAGES), writers))
    return lines, {writer.mail.address: list(writer.mail.acknowledged) for writer in writers}


def test_nothing_is_told_before_it_is_on_the_disk(traced: tuple[Trace, Written]) -> None:
    trace, written = traced
    assert [len(messages) for messages in written.values()] == [MESSAGES] * WRITERS
    assert told_too_early(trace, written) == []


def test_the_trace_without_its_syncs_would_not_pass(traced: tuple[Trace, Written]) -> None:
    trace, written = traced
    everything = sorted(message for messages in written.values() for message in messages)
    assert told_too_early([call for call in trace if "sync" not in call], written) == everything


