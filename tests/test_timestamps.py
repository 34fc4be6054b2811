"""Moments as XEP-0082 writes them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xmpp.data import timestamps

NINE_PM = 1795381200.0  # 2026-11-22T21:00:00Z


@pytest.mark.parametrize(
    ("moment", "seconds", "milliseconds"),
    [
        (NINE_PM, "2026-11-22T21:00:00Z", "2026-11-22T21:00:00.000Z"),
        (NINE_PM + 0.001, "2026-11-22T21:00:00Z", "2026-11-22T21:00:00.001Z"),
        (NINE_PM + 0.9999, "2026-11-22T21:00:00Z", "2026-11-22T21:00:00.999Z"),
        (0, "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"),
        (-0.5, "1969-12-31T23:59:59Z", "1969-12-31T23:59:59.500Z"),
    ],
)
def test_a_moment_is_written_in_utc(moment: float, seconds: str, milliseconds: str) -> None:
    assert timestamps.format_utc(moment) == seconds
    assert timestamps.format_utc(moment, "milliseconds") == milliseconds


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-22T21:00:00Z", NINE_PM),
        ("2026-11-22T21:00:00.5Z", NINE_PM + 0.5),
        ("2026-11-22T21:00:00.1234567890123Z", NINE_PM + 0.123456),
        ("2026-11-22T21:00:00+00:00", NINE_PM),
        ("2026-11-22T23:30:00+02:30", NINE_PM),
        ("2026-11-22T16:00:00-05:00", NINE_PM),
        ("1969-07-21T02:56:15Z", -14159025),
        ("1969-07-20T21:56:15-05:00", -14159025),
        ("2024-02-29T00:00:00Z", 1709164800),
    ],
)
def test_a_moment_is_read_from_any_offset(text: str, moment: float) -> None:
    assert timestamps.parse(text) == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-22",
        "21:00:00Z",
        "2026-11-22T21:00:00",  # the offset is mandatory
        "2026-11-22T21:00Z",
        "2026-11-22 21:00:00Z",
        "2026-11-22t21:00:00z",
        "20261122T21:00:00",  # XEP-0091
        "20261122T210000Z",
        "2026-11-22T21:00:00,5Z",
        "2026-11-22T21:00:00.Z",
        "2026-11-22T21:00:00+0200",
        "2026-11-22T21:00:00+02",
        "2026-11-22T21:00:00+15:00",
        "2026-11-22T21:00:00+02:60",
        "2026-02-29T21:00:00Z",
        "2026-13-22T21:00:00Z",
        "2026-11-22T24:00:00Z",
        "2026-11-22T21:60:00Z",
        "2026-11-22T21:00:60Z",
        "0000-11-22T21:00:00Z",
        "-2026-11-22T21:00:00Z",
        "12026-11-22T21:00:00Z",
        "2026-11-22T21:00:00Z\n",
        " 2026-11-22T21:00:00Z",
        "٢٠٢٦-11-22T21:00:00Z",
    ],
)
def test_what_is_not_of_the_profile_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        timestamps.parse(text)


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=8 * 10**12))
def test_what_was_written_is_read_back_to_the_millisecond(milliseconds: int) -> None:
    text = timestamps.format_utc(milliseconds / 1000, "milliseconds")
    assert round(timestamps.parse(text) * 1000) == milliseconds


@settings(deadline=None)
@given(st.text())
def test_any_text_is_a_moment_or_a_value_error(text: str) -> None:
    try:
        timestamps.parse(text)
    except ValueError:
        pass
