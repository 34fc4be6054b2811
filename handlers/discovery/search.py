"""XEP-0055: people search for others on their server by what those say of themselves in their vCards.

Off by default: it is a directory of everybody who has an account.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import gevent
from lxml import etree

from db import directory, vcards
from db.directory import Names
from db.sqlite.database import Database
from db.sqlite.errors import SearchTooLong
from handlers.contacts.access import is_at_home, is_blocked
from handlers.profile import vcard4
from xmpp.config.configuration import setting
from xmpp.data import dataforms
from xmpp.data.dataforms import Field
from xmpp.data.errors import StanzaError
from xmpp.data.jid import JID
from xmpp.data.stanza import Stanza
from xmpp.data.wire import parse
from xmpp.routing.feature import SERVER, Feature

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

NAMESPACE = "jabber:iq:search"
QUERY = f"{{{NAMESPACE}}}query"
INSTRUCTIONS = "Fill in one field or more; what you write may be a part of it."
FIELDS = (
    Field("first", label="Given name"),
    Field("last", label="Family name"),
    Field("nick", label="Nickname"),
    Field("email", label="E-mail address"),
)
REPORTED = (Field("jid", "jid-single", "Address"), *FIELDS)
MAX_FOLDED = 500  # characters of one name in the directory
BATCH = 50  # vCards that are read before others have their turn
PAUSE_SECONDS = 0.001  # a sleep of 0 would not let the loop look at its sockets


@dataclass(frozen=True)
class SearchSettings:
    """User search (XEP-0055): everybody who has an account can look for all others at its domain, by name or
    address."""

    max_results: int = setting(50, "How many people are found at most.", minimum=1, maximum=1_000)


feature = Feature("search", xep="0055", disco=[NAMESPACE], settings=SearchSettings, by_default=False, needs=["vcard4"])


class Searching:
    """The accounts whose search is under way. A server has one."""

    def __init__(self) -> None:
        self.accounts: set[JID] = set()


class Person(NamedTuple):
    """What a vCard says of somebody. `full` is the whole name: many clients ask for no parts of it."""

    first: str = ""
    last: str = ""
    nick: str = ""
    email: str = ""
    full: str = ""


# -- requests


@feature.iq_get(QUERY, to=[SERVER])
def show_fields(server: "Server", iq: Stanza) -> etree._Element:
    """The fields that can be searched, as elements and as a form (sections 2.1 and 3)."""
    _refuse_strangers(server, iq)
    query = _query({"instructions": INSTRUCTIONS, **{field.var: "" for field in FIELDS}})
    query.append(dataforms.form(NAMESPACE, FIELDS, title="User search", instructions=INSTRUCTIONS))
    return query


@feature.iq_set(QUERY, to=[SERVER])
def search(server: "Server", iq: Stanza) -> etree._Element:
    """The people who match all fields that are filled in; answers a form with a form. Yields: vCards that are new since
    the last search are read first, then all are searched in a thread."""
    _refuse_strangers(server, iq)
    assert iq.to is not None and iq.sender is not None
    form = iq.only_child().find(dataforms.X)
    wanted = _wanted(iq.only_child() if form is None else form)
    found = _find(server, iq.sender.bare, iq.to.domain, wanted)
    people = [_told(server.db, jid) for jid in found if _is_shown(server, jid, iq.sender)]
    return _items(people) if form is None else _form(people)


def _find(server: "Server", asker: JID, domain: str, wanted: Names) -> list[JID]:
    """The accounts that match. Yields. Raises StanzaError if a search of this account is under way, or it takes too
    long."""
    searching = server.state(Searching).accounts
    if asker in searching:
        raise StanzaError("resource-constraint", "one search at a time")
    searching.add(asker)
    try:
        _read_vcards(server.db)
        return directory.find(server.db, domain, wanted, server.settings(SearchSettings).max_results)
    except SearchTooLong:
        raise StanzaError("resource-constraint", "too many people are here to look at all of them") from None
    finally:
        searching.remove(asker)


def _is_shown(server: "Server", account: JID, asker: JID) -> bool:
    """True if the asker may find an account: it has not blocked the asker, and shows its vCard."""
    return not is_blocked(server, account, asker) and vcard4.is_shown_to(server, account, asker)


def _refuse_strangers(server: "Server", iq: Stanza) -> None:
    if iq.sender is None or iq.to is None or not is_at_home(server, iq.sender) or iq.sender.domain != iq.to.domain:
        raise StanzaError("forbidden")  # the people of another domain here are as those of another server


def _wanted(filled_in: etree._Element) -> Names:
    """What is searched for, from a form or from elements of the query. Raises StanzaError if nothing is filled in: that
    would find everybody."""
    try:
        if filled_in.tag == dataforms.X:
            answers = dataforms.submitted(filled_in, NAMESPACE, FIELDS)
            texts = ["".join(answers.get(field.var, ())) for field in FIELDS]
        else:
            texts = [filled_in.findtext(f"{{{NAMESPACE}}}{field.var}", "") for field in FIELDS]
    except ValueError as error:
        raise StanzaError("bad-request", str(error)) from None
    wanted = Names(*(_folded([text]) for text in texts))
    if not any(wanted):
        raise StanzaError("not-acceptable", "fill in one field at least")
    return wanted


# -- the directory


def _read_vcards(db: Database) -> None:
    """Enter new vCards into the directory. Yields."""
    while found := directory.unread(db, BATCH):
        for account, xml in found:
            directory.enter(db, account, _names(_person(parse(xml)) if xml else Person()))
        gevent.sleep(PAUSE_SECONDS)


def _names(person: Person) -> Names:
    """What somebody is found by. The whole name counts for both of its parts: often there is nothing else."""
    return Names(
        _folded([person.first, person.full]),
        _folded([person.last, person.full]),
        _folded([person.nick]),
        _folded([person.email]),
    )


def _folded(texts: Iterable[str]) -> str:
    """The texts, one a line, without differences of white space and case."""
    return "\n".join(" ".join(text.split()).casefold()[:MAX_FOLDED] for text in texts if text.strip())


def _person(vcard: etree._Element) -> Person:
    def text(path: str) -> str:
        tags = "/".join(f"{{vcard-temp}}{name}" for name in path.split("/"))
        return str(vcard.findtext(tags, "")).strip()

    return Person(text("N/GIVEN"), text("N/FAMILY"), text("NICKNAME"), text("EMAIL/USERID"), text("FN"))


# -- answers


def _told(db: Database, jid: JID) -> Mapping[str, str]:
    """What the answer says of somebody, by field."""
    kept = vcards.get(db, jid)
    person = _person(parse(kept)) if kept is not None else Person()
    first = person.first or ("" if person.last else person.full)
    return {"jid": jid, "first": first, "last": person.last, "nick": person.nick, "email": person.email}


def _items(people: Iterable[Mapping[str, str]]) -> etree._Element:
    query = _query({})
    for person in people:
        item = etree.SubElement(query, f"{{{NAMESPACE}}}item", jid=person["jid"])
        for field in FIELDS:
            etree.SubElement(item, f"{{{NAMESPACE}}}{field.var}").text = person[field.var]
    return query


def _form(people: Iterable[Mapping[str, str]]) -> etree._Element:
    query = _query({})
    query.append(dataforms.report(NAMESPACE, REPORTED, people))
    return query


def _query(texts: Mapping[str, str]) -> etree._Element:
    query = etree.Element(QUERY, nsmap={None: NAMESPACE})
    for name, text in texts.items():
        etree.SubElement(query, f"{{{NAMESPACE}}}{name}").text = text or None
    return query
