"""The benchmark's own parts that work on data; nothing here is timed."""

import shutil
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from bench import domainload, fileload, linkload, others, xmppload
from bench.growth import Series
from bench.measure import LONG, SHORT, SMOKE, Effort, Measurement, measured_alike, medians
from bench.report import BEGIN, END, Outcome, markdown, write
from bench.rows import (
    GROUPCHAT,
    MESSAGE,
    P99,
    RATE,
    ROWS,
    AtLeast,
    AtMost,
    Mark,
    Row,
    TimesFloor,
    TimesRow,
    TimesUnder,
)
from bench.servers import ROOMS, ROOMS_HOST, ROOT, Compiled

FIGURES = {
    ("xserv", "messages", MESSAGE.key): 20.0,
    ("floor", "messages", MESSAGE.key): 8.0,
    ("ejabberd", "messages", MESSAGE.key): 60.0,
    ("xserv", "messages", RATE.key): 15_000.0,
    ("xserv", "messages", GROUPCHAT.key): 1.0,
    ("xserv", "room", GROUPCHAT.key): 0.8,
}


def measurement(row: Row, server: str, *costs: float) -> Measurement:
    """Runs with these costs in seconds of CPU for 1,000 operations, and whatever else the row shows."""
    others = {figure.key: 1.0 for figure in row.figures}
    return Measurement(row, server, tuple({**others, row.figures[0].key: cost} for cost in costs))


def generator_of(row: Row) -> ModuleType:
    """What makes the load of a row."""
    ours = [load for load in (fileload, domainload) if row.load[0] in load.LOADS]
    return ours[0] if ours else linkload if row.over_links else xmppload


@pytest.mark.parametrize("effort", [SMOKE, SHORT, LONG], ids=lambda effort: effort.name)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_load_generator_knows_what_each_row_asks_of_it(row: Row, effort: Effort) -> None:
    options = generator_of(row).parser().parse_args(effort.arguments(row))
    assert options.cmd == row.load[0]


@pytest.mark.parametrize("effort", [SMOKE, SHORT, LONG], ids=lambda effort: effort.name)
@pytest.mark.parametrize("row", [row for row in ROWS if row.before], ids=lambda row: row.name)
def test_the_load_generator_knows_what_a_row_asks_of_an_earlier_process(row: Row, effort: Effort) -> None:
    options = xmppload.parser().parse_args(effort.arguments_before(row))
    assert (options.cmd, options.muc_host) == (row.before[0], ROOMS_HOST)


@pytest.mark.parametrize("effort", [SMOKE, SHORT, LONG], ids=lambda effort: effort.name)
@pytest.mark.parametrize("row", [row for row in ROWS if ROOMS in row.needs], ids=lambda row: row.name)
def test_everybody_in_a_room_has_an_account(row: Row, effort: Effort) -> None:
    options = vars(xmppload.parser().parse_args(effort.arguments(row)))
    clients = options.get("clients") or options["occupants"] + options.get("newcomers", 0)
    assert clients <= effort.accounts


def test_entering_one_by_one_is_measured_in_the_run_in_which_all_enter_at_once() -> None:
    names = [row.name for row in ROWS]
    restart = names.index("room-restart")
    assert names[restart + 1] == "room-join"
    assert measured_alike(ROWS[restart]) == measured_alike(ROWS[restart + 1])


def in_two_rooms_of_two() -> tuple[xmppload.Rounds, list[xmppload.Conn]]:
    """Messages that go round, with clients that have no connection."""
    clients = [xmppload.Conn.__new__(xmppload.Conn) for _ in range(3)]
    for number, client in enumerate(clients):
        client.user, client.exp = f"u{number}", 0
    rooms = [(b"r0@rooms.localhost", clients[:2]), (b"r1@rooms.localhost", clients[1:])]
    return xmppload.Rounds(SimpleNamespace(a=SimpleNamespace(one_text=False)), rooms), clients


def test_in_a_round_the_next_speaks_when_all_of_the_room_have_the_message() -> None:
    flow, (first, both, _) = in_two_rooms_of_two()
    flow.dirty.clear()
    flow.on_data(first, b"<message id='xl-0-0-1~'/>")
    assert not flow.dirty
    flow.on_data(both, b"<message id='xl-1-0-1~'/><message id='xl-0-0-1~'/>")
    assert (flow.dirty, flow.complete, flow.delivered) == ({0}, [1, 0], 3)


@pytest.mark.parametrize(
    "told",
    [
        b"<message id='xl-0-1-1~'/>",  # its first message is lost
        b"<message id='xl-0-0-1~'/><message id='xl-0-0-1~'/>",
        b"<message id='xl-1-0-1~'/>",  # it is not in that room
    ],
    ids=["lost", "twice", "another room's"],
)
def test_a_round_in_which_a_message_goes_wrong_fails(told: bytes) -> None:
    flow, (first, *_) = in_two_rooms_of_two()
    with pytest.raises(xmppload.Fail):
        flow.on_data(first, told)


def test_messages_say_different_things_unless_all_are_to_say_the_same() -> None:
    said = xmppload.texts(False)
    assert len({xmppload.text_of(said, lane, number) for lane in range(50) for number in range(20)}) > 900
    assert len(xmppload.texts(True)) == 1


def test_a_text_may_come_after_the_start_of_its_body() -> None:
    assert xmppload.bodies_in(b"one</body></message><message><body>two</body><body>") == [b"one", b"two"]


def test_texts_that_do_not_come_as_they_were_said_are_noticed() -> None:
    flow, (first, *_) = in_two_rooms_of_two()
    said = xmppload.text_of(xmppload.texts(False), 0, 0)
    heard = b"<message id='xl-0-0-1~'><body>%b</body></message><message><body>%bx</body></message>"
    flow.on_data(first, heard % (said, said))
    assert flow.bodies == 1


def test_the_cost_of_a_message_is_told_for_each_side() -> None:
    readings = [(1.0, 5.0), (1.5, 6.0), (3.0, 6.0)]  # CPU seconds; the last when it was over
    sides = SimpleNamespace(readings=readings)
    figures = linkload.of_each_side({"messages_per_server_cpu_s": 10_000.0}, sides)
    assert figures == {
        "near_cpu_s_per_1000_messages": pytest.approx(0.0667, abs=1e-4),
        "far_cpu_s_per_1000_messages": pytest.approx(0.0333, abs=1e-4),
        "messages_per_busier_cpu_s": 15_000.0,
    }


def test_domains_that_are_not_heard_of_in_time_fail_the_run() -> None:
    arrivals = others.Arrivals()
    arrivals.expect(["d0.test", "d1.test"])
    arrivals.hear("d1.test")
    with pytest.raises(SystemExit, match=r"nothing came of 1 domains, such as d0\.test"):
        arrivals.wait(0)
    arrivals.hear("d0.test")
    arrivals.wait(0)


def test_the_smoke_run_replaces_the_sizes_of_a_row_by_small_ones() -> None:
    options = xmppload.parser().parse_args(SMOKE.arguments(ROWS[0]))
    assert (options.pairs, options.window, options.duration) == (5, 16, 0.5)


def test_rows_have_names_of_their_own() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_multiple_of_the_floor_is_of_a_row_that_the_floor_can_do(row: Row) -> None:
    plain = {each.name for each in ROWS if not each.needs}
    assert {mark.floor_row for mark in row.marks if isinstance(mark, TimesFloor)} <= plain


@pytest.mark.parametrize(
    ("mark", "missed_by"),
    [
        (AtMost(25, MESSAGE), -0.2),
        (AtMost(16, MESSAGE), 0.25),
        (AtLeast(20_000, RATE), 0.25),
        (AtLeast(12_000, RATE), -0.25),
        (TimesFloor(2, "messages"), 0.25),
        (TimesFloor(2.5, "messages"), 0.0),
        (TimesFloor(0.25, "messages", GROUPCHAT, MESSAGE), -0.5),
        (TimesUnder(4, "ejabberd"), 0.25),
        (TimesUnder(2, "ejabberd"), -0.5),
        (TimesRow(1, "room", "a room of 100", GROUPCHAT), 0.25),
    ],
    ids=str,
)
def test_a_mark_says_by_what_part_it_was_missed(mark: Mark, missed_by: float) -> None:
    verdict = mark.verdict("messages", FIGURES)
    assert verdict
    assert verdict.missed_by == pytest.approx(missed_by)
    assert verdict.is_hit == (missed_by <= 0)


@pytest.mark.parametrize(
    "mark",
    [AtMost(1, P99), TimesFloor(2, "paced"), TimesUnder(4, "Prosody"), TimesRow(1, "room-large", "", GROUPCHAT)],
    ids=str,
)
def test_a_mark_says_nothing_where_what_it_takes_was_not_measured(mark: Mark) -> None:
    assert mark.verdict("messages", FIGURES) is None


def test_of_several_runs_the_median_counts_in_the_unit_of_the_figure() -> None:
    found = medians([measurement(ROWS[0], "xserv", 0.03, 0.01, 0.02), Measurement(ROWS[0], "floor", (), "it died")])
    assert found == {("xserv", "messages", MESSAGE.key): pytest.approx(20)}


@pytest.mark.parametrize(("last", "is_hit"), [(10.9, True), (11.1, False), (5.0, True)])
def test_growth_is_flat_within_a_tenth(last: float, is_hit: bool) -> None:
    series = Series("growth-sessions", "a message", "us", "xserv", ((10, 10.0), (100, 9.9), (1000, last)))
    assert series.verdict().is_hit is is_hit


def test_a_start_may_take_as_long_as_its_limit() -> None:
    late = Series("start", "until a login", "s", "xserv", ((100_000, 1.5),), limit=1.0)
    assert late.verdict().missed_by == pytest.approx(0.5)


def test_the_table_has_a_column_for_each_server_and_says_what_was_missed_or_failed() -> None:
    messages, tls = ROWS[:2]
    outcome = Outcome(
        ["Measured today."],
        ["xserv", "floor"],
        [measurement(messages, "xserv", 0.030), measurement(messages, "floor", 0.010), Measurement(tls, "xserv", ())],
    )
    assert markdown(outcome, chart=None).splitlines() == [
        "Measured today.",
        "",
        "### Server CPU per operation, and memory",
        "",
        "| work | xserv | floor | reach |",
        "| --- | --- | --- | --- |",
        "| 1:1 message, full address | 30.0 us | 10.0 us | 3.00 x floor, at most 2: missed by 50% |",
        "| the same over TLS | failed | - | - |",
    ]


def test_a_page_keeps_what_stands_around_the_tables(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write(page, "new")
    assert page.read_text() == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"


def test_a_page_without_the_markers_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"before\n{BEGIN}\nold\n")
    with pytest.raises(ValueError, match="lacks the comments"):
        write(page, "new")
    assert page.read_text() == f"before\n{BEGIN}\nold\n"


def test_what_is_compiled_is_measured_only_if_it_was_made_of_the_sources_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Compiled, "root", tmp_path)
    assert not Compiled().is_installed()
    for name in ("cli", "db", "handlers", "web", "xmpp", "assembly.py", "xserv.py"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    (tmp_path / "made").touch()
    assert Compiled().is_installed()
    with (tmp_path / "xmpp" / "data" / "stanza.py").open("a") as changed:
        changed.write("# once more")
    assert not Compiled().is_installed()
