"""XEP-0077: what a client is asked for and what it fills in, as elements of the query or as a data form.

What is wrong with a name is said in words for people: clients show them as they are.
"""

import unicodedata
from typing import NamedTuple

from lxml import etree

from xmpp.data import dataforms
from xmpp.data.dataforms import Field
from xmpp.data.jid import JID, MalformedJID

NAMESPACE = "jabber:iq:register"
CHANGE_PASSWORD = "jabber:iq:register:changepassword"
QUERY = f"{{{NAMESPACE}}}query"
INSTRUCTIONS = f"{{{NAMESPACE}}}instructions"
USERNAME = f"{{{NAMESPACE}}}username"
PASSWORD = f"{{{NAMESPACE}}}password"

FIELDS = (
    Field("username", label="Username", required=True),
    Field("password", "text-private", label="Password", required=True),
)
MAX_EXAMINED = 60  # characters of a name that are tried one by one to say which is wrong


REASONS = {
    "elsewhere": "addresses here end in @{detail}; the username is what stands before that",
    "empty": "the username is empty",
    "spaces": "a username may not contain spaces",
    "unseen": "a username may not contain characters that cannot be seen",
    "character": "a username may not contain the character {detail}",
    "long": "the username is too long",
    "other": "{detail} cannot be a username; letters, digits, dots and hyphens always can",
}


class UnsuitableName(ValueError):
    """A name that no account can have: one of REASONS, and what it is about, for who says it in other words."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(REASONS[reason].format(detail=detail))
        self.reason = reason
        self.detail = detail


class FilledIn(NamedTuple):
    """What somebody has filled in; either may be empty."""

    username: str
    password: str


def query(instructions: str, username: str = "") -> etree._Element:
    """The fields needed for an account, as elements for old clients and as a form for others. `username`: the one that
    it has to be."""
    asked = etree.Element(QUERY, nsmap={None: NAMESPACE})
    etree.SubElement(asked, INSTRUCTIONS).text = instructions
    etree.SubElement(asked, USERNAME).text = username or None
    etree.SubElement(asked, PASSWORD)
    fields = [dataforms.filled(FIELDS[0], (username,)), *FIELDS[1:]] if username else FIELDS
    asked.append(dataforms.form(NAMESPACE, fields, title="New account", instructions=instructions))
    return asked


def filled_in(query: etree._Element, *form_types: str) -> FilledIn:
    """What a query says; if it has a form, only the form counts (section "Precedence Order"). Raises ValueError for a
    form of none of these types."""
    form = query.find(dataforms.X)
    if form is None:
        return FilledIn(query.findtext(USERNAME, ""), query.findtext(PASSWORD, ""))
    given = dataforms.values_of(form)
    form_type = (given.get("FORM_TYPE") or form_types)[0]
    if form_type not in form_types:
        raise ValueError("this form is another one")
    answers = dataforms.submitted(form, form_type, FIELDS)
    return FilledIn(answers["username"][0], answers["password"][0])


def account(name: str, host: str) -> JID:
    """The account of this name at our host; the name may come as NAME@HOST. Raises UnsuitableName."""
    local, at, domain = name.partition("@")
    if at and domain.casefold() != host:
        raise UnsuitableName("elsewhere", host)
    if not local:
        raise UnsuitableName("empty")
    try:
        return JID.of(local, host)
    except MalformedJID:
        raise _objection(local, host) from None


def _objection(name: str, host: str) -> UnsuitableName:
    for character in name[:MAX_EXAMINED]:
        if not _is_name(f"a{character}a", host):
            return _refused(character)
    return UnsuitableName("long") if len(name) > MAX_EXAMINED else UnsuitableName("other", name)


def _is_name(text: str, host: str) -> bool:
    try:
        JID.of(text, host)
    except MalformedJID:
        return False
    return True


def _refused(character: str) -> UnsuitableName:
    if character.isspace():
        return UnsuitableName("spaces")
    if unicodedata.category(character)[0] in "CM":  # controls, unassigned code points, and combining marks
        return UnsuitableName("unseen")
    return UnsuitableName("character", character)
