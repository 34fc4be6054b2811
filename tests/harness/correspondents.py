"""People on different servers, with clients whose bytes are written by hand."""

from collections.abc import Callable
from typing import Self
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from tests.harness.rawclient import RawClient, condition_of

CAPS = "http://jabber.org/protocol/caps"
MUC = "http://jabber.org/protocol/muc"
DISCO = "http://jabber.org/protocol/disco#info"
STANZAS = frozenset({"message", "presence", "iq"})


class Correspondent(RawClient):
    """A client with a session."""

    @classmethod
    def of(cls, port: int, domain: str, name: str, password: str, resource: str = "", *, has_tls: bool) -> Self:
        """Log in, and bind a resource."""
        client = cls(port, domain=domain)
        try:
            if has_tls:
                client.start_tls()
            else:
                client.open()
            client.authenticate(name, password)
            client.bind(resource)
        except BaseException:
            client.close()
            raise
        return client

    @property
    def account(self) -> str:
        return self.jid.partition("/")[0]

    def comes_online(self, payload: str = "") -> None:
        """Ask for the roster, send presence, and wait for it to come back: what is for a client comes from now on."""
        self.ask("get", "<query xmlns='jabber:iq:roster'/>")
        self.send(f"<presence>{payload}</presence>")
        self.hears("presence", lambda stanza: stanza.get("from") == self.jid)

    def hears(self, kind: str, condition: Callable[[etree._Element], bool] = lambda _: True) -> etree._Element:
        """The next stanza of this kind for which that is true; others before it are passed over."""
        while True:
            stanza = self.receive()
            if etree.QName(stanza).localname == kind and condition(stanza):
                return stanza

    def hears_from(self, sender: str, kind: str = "message", type: str | None = None) -> etree._Element:
        """The same from an account or service, or one of its full addresses; of this type, if one is given."""
        return self.hears(
            kind,
            lambda stanza: sender in (stanza.get("from"), (stanza.get("from") or "").partition("/")[0])
            and type in (None, stanza.get("type")),
        )

    def writes_to(self, other: str, text: str, more: str = "") -> None:
        """Send a chat message."""
        written = escape(text)
        self.send(f"<message to='{other}' type='chat' id={quoteattr(text)}><body>{written}</body>{more}</message>")

    def enters(self, room: str, nick: str) -> None:
        """Enter a room, and hear all that there is to be heard at the beginning."""
        self.send(f"<presence to='{room}/{nick}'><x xmlns='{MUC}'><history maxstanzas='0'/></x></presence>")
        self.hears("presence", lambda stanza: stanza.get("from") == f"{room}/{nick}" and stanza.get("type") is None)
        self.hears("message", lambda stanza: stanza.find("{*}subject") is not None)

    def makes(self, room: str) -> None:
        """Make a room as it comes, and be in it."""
        self.enters(room, "host")
        form = "<x xmlns='jabber:x:data' type='submit'/>"
        self.ask("set", f"<query xmlns='http://jabber.org/protocol/muc#owner'>{form}</query>", to=room)

    def is_told(self, text: str) -> tuple[str, str, str]:
        """The error that comes back for the message with this text: its type, condition and text."""
        stanza = self.hears("message", lambda stanza: stanza.get("type") == "error" and stanza.get("id") == text)
        return error_in(stanza)


def error_in(stanza: etree._Element) -> tuple[str, str, str]:
    """The type, condition and text of an error."""
    [error] = stanza.iterfind("{*}error")
    return error.get("type") or "", condition_of(error), error.findtext("{*}text") or ""


def body(message: etree._Element) -> str | None:
    return message.findtext("{*}body")
