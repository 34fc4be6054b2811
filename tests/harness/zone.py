"""A name server on loopback (RFC 1035, UDP and TCP) for names that a test makes up, which can be told to fail.

As a program, `python -m tests.harness.zone FILE`, it prints where it listens, as `127.0.0.1:PORT`, and serves until it
is killed. The file is JSON, as `Zone.described` takes it.
"""

import json
import struct
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from gevent import socket
from gevent.event import Event
from gevent.server import DatagramServer, StreamServer

HOST = "127.0.0.1"
TTL = 300
TRIES = 20  # to find a number that is free for UDP and for TCP
PATIENCE = 60.0  # seconds; only a client that hangs takes that long
ORIGIN = dns.name.from_text("test")
START_OF_AUTHORITY = "ns.test. hostmaster.test. 1 3600 600 86400 60"
CNAMES = 10  # that are followed

# What it can be told to do with a name in place of an answer.
SERVFAIL, REFUSED, NXDOMAIN = "servfail", "refused", "nxdomain"
SILENT = "silent"  # no answer ever
HELD = "held"  # none until `release` is called
TRUNCATED = "truncated"  # over UDP; the answer is to be had over TCP
WRONG_ID, WRONG_QUESTION, GARBAGE = "wrong id", "wrong question", "garbage"  # over UDP, and no other answer
OLD, OLD_NOTIMP = "formerr", "notimp"  # it does not know EDNS (RFC 6891), and fails so where that is used
FORGED_FIRST = "forged first"  # three answers with wrong ids that lead elsewhere, and then the right one
ELSEWHERE = "192.0.2.66"  # where forged answers lead

Question = tuple[str, str]  # the name without its last dot, and the type


class Zone:
    """A name server in this process, in greenlets; `address` is where it listens.

    `queries` counts what was asked; `most_at_once`, how many questions have waited for an answer at the same time.
    """

    def __init__(self, port: int = 0) -> None:
        self.queries = Counter[Question]()
        self.is_validating = False  # it sets the AD bit, as a resolver does that has checked signatures
        self.most_at_once = 0
        self._waiting = 0
        self._records: dict[dns.name.Name, list[dns.rrset.RRset]] = {}
        self._parents = set[dns.name.Name]()  # of all names that have records; they exist
        self._behaviours: dict[tuple[dns.name.Name, str], str] = {}  # the type may be "", for all
        self._released = Event()
        self._tcp, self._udp, self.port = self._listening(port)
        self.address = f"{HOST}:{self.port}"

    @classmethod
    def described(cls, description: Mapping[str, Any]) -> Self:
        """A zone as JSON says it: {"port": 0, "records": {"a.test": {"A": ["127.0.0.2"]}}, "behaviours": {...}}."""
        zone = cls(description.get("port", 0))
        for name, types in description.get("records", {}).items():
            for type, values in types.items():
                zone.add(name, type, *values)
        for name, behaviour in description.get("behaviours", {}).items():
            zone.behave(behaviour, name)
        return zone

    def add(self, name: str, type: str, *values: str, ttl: int = TTL) -> None:
        """Add records, written as in a zone file: `zone.add("a.test", "SRV", "0 5 5269 xmpp.a.test.")`. An answer has
        them in the order in which they were added."""
        owner = dns.name.from_text(name)
        self._parents.update(dns.name.Name(owner.labels[n:]) for n in range(len(owner)))
        records = self._records.setdefault(owner, [])
        records += (dns.rrset.from_text(owner, ttl, "IN", type, value) for value in values)

    def remove(self, name: str) -> None:
        """Remove all records of a name."""
        self._records.pop(dns.name.from_text(name), None)

    def behave(self, behaviour: str, *names: str, type: str = "") -> None:
        """Do this from now on if one of the names is asked for, or this type of it; "" is to answer again."""
        for name in names:
            self._behaviours[dns.name.from_text(name), type] = behaviour

    def release(self) -> None:
        """Give the answers that are held, and hold no more."""
        self._released.set()

    def close(self) -> None:
        """Listen no more."""
        self.release()
        self._tcp.stop()
        self._udp.stop()

    def serve_forever(self) -> None:
        """Return when somebody has closed it."""
        self._tcp.serve_forever()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _listening(self, port: int) -> tuple[StreamServer, DatagramServer, int]:
        handle: Any = self._over_udp  # the stubs take it for that of a stream
        for _ in range(TRIES):
            tcp = StreamServer((HOST, port), self._over_tcp)
            tcp.start()
            number = tcp.server_port
            assert number
            udp = DatagramServer((HOST, number), handle)
            try:
                udp.start()
            except OSError:
                tcp.stop()  # somebody else has this number for UDP
            else:
                return tcp, udp, number
        raise AssertionError("no number is free for both")

    def _over_udp(self, data: bytes, client: Any) -> None:
        for answer in self._answers(data, is_udp=True):
            self._udp.sendto(answer, client)

    def _over_tcp(self, client: socket.socket, _: object) -> None:
        with client, client.makefile("rb") as read:
            client.settimeout(PATIENCE)
            while len(prefix := read.read(2)) == 2:
                for answer in self._answers(read.read(*struct.unpack(">H", prefix)), is_udp=False):
                    client.sendall(struct.pack(">H", len(answer)) + answer)

    def _answers(self, data: bytes, *, is_udp: bool) -> list[bytes]:
        query = dns.message.from_wire(data)
        if query.opcode() != dns.opcode.QUERY or len(query.question) != 1:
            return []
        [question] = query.question
        asked = question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype)
        self.queries[asked] += 1
        self._waiting += 1
        self.most_at_once = max(self.most_at_once, self._waiting)
        try:
            behaviour = self._behaviours.get((question.name, asked[1])) or self._behaviours.get((question.name, ""), "")
            if behaviour == HELD:
                self._released.wait(PATIENCE)
        finally:
            self._waiting -= 1
        return [*self._as_told(query, behaviour, is_udp=is_udp)]

    def _as_told(self, query: dns.message.Message, behaviour: str, *, is_udp: bool) -> Iterable[bytes]:
        right = self._answer(query)
        if behaviour in (SERVFAIL, REFUSED, NXDOMAIN):
            yield _bare(query, behaviour).to_wire()
        elif behaviour in (OLD, OLD_NOTIMP):
            yield (_bare(query, behaviour) if query.edns >= 0 else right).to_wire()
        elif behaviour == SILENT:
            pass
        elif not is_udp or behaviour in ("", HELD):
            yield _fitting(right) if is_udp else right.to_wire(max_size=65535)
        elif behaviour == TRUNCATED:
            yield _cut(right).to_wire()
        elif behaviour == GARBAGE:
            yield b"\xff" * 40
        elif behaviour == WRONG_QUESTION:
            yield _forged(query, question="elsewhere.test").to_wire()
        elif behaviour == WRONG_ID:
            yield _forged(query, 1).to_wire()
        else:
            assert behaviour == FORGED_FIRST, behaviour
            yield from (_forged(query, n).to_wire() for n in (1, 2, 3))
            yield _fitting(right)

    def _answer(self, query: dns.message.Message) -> dns.message.Message:
        """The answer of a resolver: with what a CNAME leads to."""
        response = dns.message.make_response(query, recursion_available=True)
        if self.is_validating:
            response.flags |= dns.flags.AD
        [question] = query.question
        name, found = question.name, list[dns.rrset.RRset]()
        for _ in range(CNAMES):
            records = self._records.get(name, [])
            found = [each for each in records if each.rdtype == question.rdtype]
            aliases = [each for each in records if each.rdtype == dns.rdatatype.CNAME]
            if found or not aliases:
                break
            response.answer += aliases
            name = aliases[0][0].target
        response.answer += found
        if not found:
            exists = name in self._parents
            response.set_rcode(dns.rcode.NOERROR if exists else dns.rcode.NXDOMAIN)
            response.authority.append(dns.rrset.from_text(ORIGIN, TTL, "IN", "SOA", START_OF_AUTHORITY))
        return response


def _bare(query: dns.message.Message, behaviour: str) -> dns.message.Message:
    response = dns.message.make_response(query, recursion_available=True)
    response.set_rcode(dns.rcode.from_text(behaviour.upper()))
    return response


def _fitting(response: dns.message.Message) -> bytes:
    """As much as fits into a datagram of the size that was asked for."""
    try:
        return response.to_wire(max_size=response.request_payload or 512)
    except dns.exception.TooBig:
        return _cut(response).to_wire()


def _cut(response: dns.message.Message) -> dns.message.Message:
    response.answer.clear()
    response.authority.clear()
    response.flags |= dns.flags.TC
    return response


def _forged(query: dns.message.Message, id_change: int = 0, question: str | None = None) -> dns.message.Message:
    """An answer by somebody who has not seen the query."""
    response = dns.message.make_response(query, recursion_available=True)
    response.id ^= id_change
    [asked] = response.question
    if question is not None:
        name = dns.name.from_text(question)
        asked = dns.rrset.RRset(name, asked.rdclass, asked.rdtype)
        response.question = [asked]
    if asked.rdtype == dns.rdatatype.A:
        response.answer.append(dns.rrset.from_text(asked.name, TTL, "IN", "A", ELSEWHERE))
    return response


def main(file: str) -> None:
    with Zone.described(json.loads(Path(file).read_text(encoding="utf-8"))) as zone:
        print(zone.address, flush=True)
        zone.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
