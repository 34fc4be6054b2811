"""What the log says of connections for which there is no place."""

from pathlib import Path

import pytest

from tests.harness.configured import demo_server
from tests.harness.rawclient import RawClient
from xmpp.stream.refusals import SAID_AGAIN_SECONDS, Refusals


@pytest.mark.parametrize(
    ("listen", "reason"),
    [
        (
            {"strangers_per_address": 2},
            "a connection from 127.0.0.1 was refused: too many from there have not logged in yet "
            "([listen] strangers_per_address)",
        ),
        (
            {"connections": 2, "strangers_per_address": 2},
            "a connection from 127.0.0.1 was refused: 2 are connected, which is all that can be "
            "([listen] connections)",
        ),
    ],
    ids=["strangers", "all"],
)  # fmt: skip
def test_the_log_names_the_limit_for_which_somebody_was_refused(
    tmp_path: Path, listen: dict[str, int], reason: str
) -> None:
    with demo_server(tmp_path, listen=listen) as server:
        strangers = [RawClient(server.port) for _ in range(2)]
        for stranger in strangers:
            stranger.open()
        for _ in range(5):
            with RawClient(server.port) as refused:
                assert refused.socket.recv(1) == b""
        for stranger in strangers:
            stranger.close()
    said = [line for line in server.said if "was refused" in line]
    assert len(said) == 1
    assert said[0].endswith(reason)
    assert "WARNING" in said[0]


def test_a_flood_of_them_has_a_line_a_minute_that_counts_the_others(caplog: pytest.LogCaptureFixture) -> None:
    refusals = Refusals()
    for second in range(90):
        refusals.note("192.0.2.1", "because", 1000.0 + second)
    refusals.note("192.0.2.1", "because", 1000.0 + 2 * SAID_AGAIN_SECONDS)
    assert caplog.messages == [
        "a connection from 192.0.2.1 was refused: because",
        "a connection from 192.0.2.1 was refused: because (59 more before this one)",
        "a connection from 192.0.2.1 was refused: because (29 more before this one)",
    ]
