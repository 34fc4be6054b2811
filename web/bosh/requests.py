"""What was agreed with a client, and its requests until they are answered (XEP-0124)."""

from dataclasses import dataclass
from time import monotonic

from gevent.event import Event

from xmpp.stream.xml.bodyfeed import Body


@dataclass(frozen=True)
class Agreed:
    """What was agreed when the session was created. Times are in seconds. `version`: of BOSH, None if the client did
    not name one; then it understands HTTP's status codes alone."""

    wait: int
    hold: int
    inactivity: int
    polling: int
    pause: int
    version: str | None
    content_type: str

    @property
    def is_polling(self) -> bool:
        """True if the client does not want its requests to be held."""
        return self.hold == 0


class Refused(Exception):
    """A request that ends with this condition (section 17.2), and its session with it if there is one."""

    def __init__(self, condition: str, *, is_legacy: bool = False) -> None:
        super().__init__(condition)
        self.condition = condition
        self.is_legacy = is_legacy


class Waiter:
    """One HTTP request, until it is answered. `is_gone`: its connection was lost."""

    def __init__(self) -> None:
        self.answer = b""
        self.is_gone = False
        self.is_answered = Event()

    def tell(self, answer: bytes) -> None:
        """Answer it."""
        self.answer = answer
        self.is_answered.set()


class Asked:
    """A request that has no answer yet. `waiter`: the last HTTP request that has brought it.

    `pauses`: the client will be silent for a while. `ends`: it ends the session. `restarts`: its stream begins anew.
    `opens`: it begins, or begins anew. `is_empty`: nothing of this.
    """

    __slots__ = ("body", "came", "ends", "is_empty", "is_handled", "is_overdue", "opens", "pauses", "restarts", "rid",
                 "waiter")  # fmt: skip

    def __init__(self, rid: int, body: Body, waiter: Waiter) -> None:
        self.rid = rid
        self.body: Body | None = body
        self.waiter = waiter
        self.came = monotonic()
        self.pauses = "pause" in body.attributes
        self.ends = body.attributes.get("type") == "terminate"
        self.restarts = body.attributes.get("xmpp:restart") in ("true", "1")
        self.opens = self.restarts or "sid" not in body.attributes
        self.is_empty = not (body.content or self.opens or self.ends or self.pauses)
        self.is_handled = not (body.content or self.opens or self.ends)
        self.is_overdue = False

    def is_done(self) -> None:
        """The stream has handled it."""
        self.is_handled = True
        self.body = None
