"""Where records of TLS end, in bytes that are cut anywhere."""

import pytest

from xmpp.stream.tls.records import Records

SIZES = (1, 300, 0, 2, 0x1234, 7)
ALL = b"".join(b"\x17\x03\x03" + size.to_bytes(2) + b"\x16" * size for size in SIZES)


@pytest.mark.parametrize("most", [1, 2, 100])
@pytest.mark.parametrize("piece", [1, 2, 3, 4, 5, 6, 7, 300, len(ALL)])
def test_records_are_found_in_pieces_of_any_size(piece: int, most: int) -> None:
    records, found, passed_on = Records(), 0, b""
    for begin in range(0, len(ALL), piece):
        for portion, ended in records.portions(ALL[begin : begin + piece], most):
            assert ended <= most
            passed_on += portion
            found += ended
            assert records.is_between == (passed_on in WHOLE or begin + piece < len(passed_on))
    assert (found, passed_on) == (len(SIZES), ALL)
    assert records.is_between


def ends() -> list[int]:
    """Where each record ends."""
    return [sum(5 + size for size in SIZES[: count + 1]) for count in range(len(SIZES))]


WHOLE = {ALL[:end] for end in ends()}


def test_portions_end_where_the_last_of_their_records_does() -> None:
    cut = list(Records().portions(ALL, 2))
    assert [records for _, records in cut] == [2, 2, 2]
    assert [len(portion) for portion, _ in cut] == [ends()[1], ends()[3] - ends()[1], ends()[5] - ends()[3]]


def test_what_follows_the_last_whole_record_is_a_portion_too() -> None:
    records = Records()
    assert list(records.portions(ALL[: ends()[0]] + ALL[:3], 1)) == [(ALL[: ends()[0]], 1), (ALL[:3], 0)]
    assert not records.is_between
    records.follow(ALL[3 : ends()[0]])
    assert records.is_between
