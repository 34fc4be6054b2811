"""Who has to get which message, noted while the server handles them, and what devices have got compared with that."""

from collections import defaultdict
from collections.abc import Iterable

from tests.harness.devices import Device, Receipt
from xmpp.data import names
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.routing.delivery import Delivery
from xmpp.routing.session import Session
from xmpp.routing.tables import MESSAGE_RECEIVED, MESSAGE_SENT, WRITTEN, Tables


class Witness:
    """Steps before all others, which note what should become of each message (RFC 6121 section 8.5, XEP-0280)."""

    def __init__(self) -> None:
        self.handled: dict[str, Delivery] = {}  # in order
        self.due: defaultdict[Session, list[str]] = defaultdict(list)  # itself or a carbon copy
        self.kept: list[str] = []  # for nobody was there
        self.bounced: set[str] = set()
        self.writes: defaultdict[str, int] = defaultdict(int)
        self.devices: defaultdict[str, int] = defaultdict(int)  # the most that had it at a time

    def watching(self, tables: Tables) -> Tables:
        """These tables, watched."""
        return tables.but(
            MESSAGE_SENT.runs(self._note_sent, *tables[MESSAGE_SENT]),
            MESSAGE_RECEIVED.runs(self._note_received, *tables[MESSAGE_RECEIVED]),
            WRITTEN.runs(self._note_written, *tables[WRITTEN]),
        )

    def texts(self, account: JID) -> list[str]:
        """The messages with text that an account has sent or received, in order."""
        return [id for id, sent in self.handled.items() if is_text(sent.stanza) and account in self._between(id)]

    def _between(self, id: str) -> tuple[JID, ...]:
        sender, addressee = parties(self.handled[id].stanza)
        if id not in self.bounced:
            return sender, addressee
        return () if sender == addressee else (sender,)

    def _note_sent(self, delivery: Delivery) -> None:
        stanza, account = delivery.stanza, delivery.account
        assert stanza.id is not None and stanza.to is not None
        assert stanza.id not in self.handled, f"{stanza.id} was handled twice"
        self.handled[stanza.id] = Delivery(delivery.server, account, stanza.kept())
        if stanza.to.bare != account:  # else it is received here as well
            self._note_due(stanza.id, (each for each in with_carbons(delivery) if each is not delivery.origin))

    def _note_received(self, delivery: Delivery) -> None:
        stanza = delivery.stanza
        if stanza.type == "error":
            return
        assert stanza.id is not None and stanza.to is not None
        there = delivery.server.online.session(stanza.to) if stanza.to.is_full else None
        if stanza.to.is_full and there is None and stanza.type == "normal":
            self.bounced.add(stanza.id)
            return
        chosen = [there] if there else [each for each in delivery.server.online.available(delivery.account)
                                        if each.priority >= 0]  # fmt: skip
        copied = [each for each in with_carbons(delivery) if each not in chosen and each is not delivery.origin]
        self._note_due(stanza.id, [*chosen, *copied])
        if not chosen and (is_text(stanza) or stanza.type == "normal"):  # XEP-0160 section 3
            self.kept.append(stanza.id)

    def _note_due(self, id: str, sessions: Iterable[Session]) -> None:
        for session in sessions:
            self.due[session].append(id)

    def _note_written(self, session: Session, stanza: Stanza) -> None:
        if stanza.kind == "message" and stanza.id is not None:
            self.writes[stanza.id] += 1
            self.devices[stanza.id] = max(self.devices[stanza.id], len(stanza.devices) or 1)


def with_carbons(delivery: Delivery) -> list[Session]:
    """The account's sessions that have asked for copies."""
    return [each for each in delivery.server.online.sessions(delivery.account) if "carbons" in each.interests]


def is_text(stanza: Stanza) -> bool:
    return names.BODY in stanza.child_tags


def parties(stanza: Stanza) -> tuple[JID, JID]:
    """The accounts between which it went."""
    assert stanza.sender is not None and stanza.to is not None
    return stanza.sender.bare, stanza.to.bare


class Judge:
    """Compares what devices have got with what they should have; all of them are there, and up to date."""

    def __init__(self, witness: Witness, devices: Iterable[Device], *, has_archive: bool) -> None:
        self.witness = witness
        self.devices = list(devices)
        self.has_archive = has_archive

    def compare(self) -> None:
        """Raises AssertionError."""
        for device in self.devices:
            self._accepted_were_handled(device)
            assert device.refused <= self.witness.bounced, f"{device} got errors for {device.refused}"
            for session, receipts in device.received.items():
                self._session_got_what_was_due(session, [each for each in receipts if each.way != "archive"])
            assert self._on_time(device.session, device.received[device.session]) == self.witness.due[device.session], (
                f"{device} misses something"
            )
        for account in {device.account for device in self.devices}:
            mine = [device for device in self.devices if device.account == account]
            if self.has_archive:
                self._archive_has_all(account, mine)
            self._somebody_got_it(account, mine)

    def _accepted_were_handled(self, device: Device) -> None:
        lost = {id for id in device.accepted if is_message(id)} - self.witness.handled.keys()
        assert not lost, f"the server has acknowledged {lost} to {device}"

    def _session_got_what_was_due(self, session: Session, receipts: list[Receipt]) -> None:
        due = self.witness.due[session]
        on_time = self._on_time(session, receipts)
        assert on_time == due[: len(on_time)], f"{session} got {on_time} of {due}"
        self._the_rest_is_late(session, self._late(session, receipts))

    def _the_rest_is_late(self, session: Session, late: list[Receipt]) -> None:
        """What a session gets beside is what had waited for somebody: its own account, or another session."""
        assert all(each.is_delayed and each.way == "itself" for each in late), f"{session} got {late} unexpectedly"
        messages = [each.message for each in late]
        assert len(set(messages)) == len(messages), f"{session} got something twice: {messages}"
        repeated = set(messages).intersection(self.witness.due[session])
        # Nobody was there, so it waited; a session that was there for copies only has got one, and may come for more.
        assert repeated <= set(self.witness.kept), f"{session} got {repeated} twice"
        fresh = [id for id in messages if self.witness.writes[id] == 1]
        waited = [id for id in self.witness.kept if id in fresh]
        assert [id for id in fresh if id in waited] == waited, f"{session} got {fresh} out of order"

    def _late(self, session: Session, receipts: Iterable[Receipt]) -> list[Receipt]:
        """All but what was due, the first time."""
        due, late = set(self.witness.due[session]), []
        for each in receipts:
            if each.message in due:
                due.remove(each.message)
            else:
                late.append(each)
        return late

    def _on_time(self, session: Session, receipts: Iterable[Receipt]) -> list[str]:
        """What was due to this session and came, each once."""
        due = set(self.witness.due[session])
        return list(dict.fromkeys(each.message for each in receipts if each.message in due and each.way != "archive"))

    def _archive_has_all(self, account: JID, devices: list[Device]) -> None:
        expected = self.witness.texts(account)
        ids: defaultdict[str, set[str | None]] = defaultdict(set)
        for device in devices:
            receipts = [each for receipts in device.received.values() for each in receipts]
            archived = dict.fromkeys((each.stanza_id, each.message) for each in receipts if each.way == "archive")
            assert [message for _, message in archived] == expected, f"{device} finds {archived}"
            for each in receipts:
                ids[each.message].add(each.stanza_id)
        for id in expected:
            known = ids[id] if parties(self.witness.handled[id].stanza)[1] == account else ids[id] - {None}
            assert len(known) == 1 and None not in known, f"{id} is known to {account} as {known}"

    def _somebody_got_it(self, account: JID, devices: list[Device]) -> None:
        """Also who asks no archive. What is in there may be dropped when several sessions that had it are over, or
        when one has asked the archive before it came for what had waited."""
        if self.has_archive and any(device.has_asked_early for device in devices):
            return
        receipts = [each for device in devices for receipts in device.received.values() for each in receipts]
        got = {each.message for each in receipts if each.way != "archive"}
        for id in self.witness.texts(account):
            is_for_it = parties(self.witness.handled[id].stanza)[1] == account and id not in self.witness.bounced
            if is_for_it and not (self.has_archive and self.witness.devices[id] > 1):
                assert id in got, f"nobody of {account} got {id}"


def is_message(id: str) -> bool:
    return id.startswith("m")

