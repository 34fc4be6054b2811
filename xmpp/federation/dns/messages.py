"""Questions and answers of DNS as bytes (RFC 1035, RFC 6891).

A question is written here, and so is an answer read that there is nothing, which most answers are: that takes a few
microseconds. dnspython reads what has records, which takes up to a hundred times as long.
"""

import secrets
import struct
from itertools import islice
from typing import Any, NamedTuple

import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rdtypes.ANY.CNAME
import dns.rdtypes.ANY.OPT
import dns.rdtypes.ANY.SOA
import dns.rdtypes.IN.A
import dns.rdtypes.IN.AAAA
import dns.rdtypes.IN.SRV  # which would otherwise be imported when the first such record is read

from xmpp.federation.dns.failures import LookupFailed

UDP_BYTES = 1232  # an answer of that size is not taken apart on its way (DNS flag day 2020)
MOST_BYTES = 4096
"""Of an answer: to read one takes up to 10 microseconds a byte, and with more than that others would notice."""
MOST_RECORDS = 64

NEGATIVE_SECONDS = 60  # that there is nothing holds so long, whatever is said
TYPES = {"A": 1, "AAAA": 28, "SRV": 33}
_HEAD = struct.Struct(">6H")  # id, flags, and how many of each section follow
_IS_ANSWER, _OPCODE, _IS_CUT_OFF, _RECURSE, _RCODE = 0x8000, 0x7800, 0x0200, 0x0100, 0x000F
_OPTIONS = b"\0" + struct.pack(">HHIH", dns.rdatatype.OPT, UDP_BYTES, 0, 0)

Question = tuple[str, str]  # a name without its last dot, and a type


class SRV(NamedTuple):
    """Where a service is (RFC 2782). `target` is without its last dot; "" if there is no such service."""

    priority: int
    weight: int
    port: int
    target: str


Record = str | SRV


class Answer(NamedTuple):
    """What DNS says; it has no records if there are none, or no such name. `seconds`: how long that holds."""

    records: tuple[Record, ...]
    seconds: int


class NoOptions(LookupFailed):
    """The name server seems to be one that does not know EDNS (RFC 6891 section 7): it may answer without."""


class CutOff(Exception):
    """The answer does not fit into a datagram."""


def query(question: Question, *, has_options: bool = True) -> bytes:
    """A question with an id that nobody can guess; with the options of EDNS, or without."""
    name, type = question
    labels = b"".join(bytes((len(label),)) + label.encode("ascii") for label in name.split("."))
    asked = labels + b"\0" + struct.pack(">HH", TYPES[type], 1)
    head = _HEAD.pack(secrets.randbits(16), _RECURSE, 1, 0, 0, int(has_options))
    return head + asked + (_OPTIONS if has_options else b"")


def read(data: bytes, query: bytes) -> Answer | None:
    """What a message says in answer to a query; None if it is no answer to that. Raises CutOff, LookupFailed."""
    if len(data) < _HEAD.size or data[:2] != query[:2]:
        return None
    _, flags, questions, answers, _, _ = _HEAD.unpack_from(data)
    code = flags & _RCODE
    has_failed = code not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)
    asked = query[_HEAD.size :].removesuffix(_OPTIONS)
    is_same = questions == 1 and data[_HEAD.size :][: len(asked)].lower() == asked.lower()
    if not flags & _IS_ANSWER or flags & _OPCODE or not (is_same or (has_failed and not questions)):
        return None
    if has_failed:
        is_about_options = code in (dns.rcode.FORMERR, dns.rcode.NOTIMP) and query.endswith(_OPTIONS)
        failure = NoOptions if is_about_options else LookupFailed
        raise failure(f"the name server says {dns.rcode.to_text(dns.rcode.Rcode(code))}")
    if flags & _IS_CUT_OFF:
        raise CutOff
    return _records(data) if answers else Answer((), NEGATIVE_SECONDS)


def _records(data: bytes) -> Answer:
    """What it says about its question, by way of aliases."""
    try:
        chain: Any = dns.message.from_wire(data).resolve_chaining()  # type: ignore[attr-defined]
    except (dns.exception.DNSException, ValueError):
        raise LookupFailed("the answer is malformed") from None
    return Answer(tuple(map(_record, islice(chain.answer or (), MOST_RECORDS))), chain.minimum_ttl)


def _record(found: Any) -> Record:
    if found.rdtype == dns.rdatatype.SRV:
        target = found.target.to_text(omit_final_dot=True).lower().removesuffix(".")
        return SRV(found.priority, found.weight, found.port, target)
    return str(found.address)
