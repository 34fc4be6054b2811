"""XEP-0133 sections 4.1 to 4.10: commands about accounts that are named, and who is an administrator (4.30).

A password is never told (4.6): none is kept.
"""

from collections.abc import Callable, Iterable, Sequence

from lxml import etree

from handlers.admin.activity import Contact
from handlers.commands.administration import ADMIN, carry_out, is_administrator
from handlers.commands.command import Asked, Command
from handlers.contacts.roster_items import GROUP, ITEM, NAMESPACE, QUERY
from xmpp.data import dataforms, timestamps
from xmpp.data.commands import Answers, Done
from xmpp.data.dataforms import Field
from xmpp.data.errors import StanzaError
from xmpp.routing.feature import SERVER

ACCOUNT = Field("accountjid", "jid-single", "The address of the account", required=True)
ACCOUNTS = Field("accountjids", "jid-multi", "The addresses of the accounts", required=True)
ONE_OF_THEM = Field("accountjids", "jid-multi", "The address of the account", required=True)
PASSWORD = Field("password", "text-private", "The password for this account", required=True)
PASSWORD_AGAIN = Field("password-verify", "text-private", "The password again")
NOTED = 20
"""Contacts in the note beside a roster."""
LAST_LOGIN = Field("lastlogin", label="The last login")


def _add(asked: Asked, answers: Answers) -> None:
    [account], [password] = answers[ACCOUNT.var], answers[PASSWORD.var]
    if answers.get(PASSWORD_AGAIN.var, (password,)) != (password,):
        raise StanzaError("not-acceptable", "the two passwords differ")
    carry_out(asked, "add", account=account, password=password)


def _change_password(asked: Asked, answers: Answers) -> None:
    [account], [password] = answers[ACCOUNT.var], answers[PASSWORD.var]
    carry_out(asked, "passwd", account=account, password=password, asking=asked.iq.origin)


def _to_several(what: str) -> Callable[[Asked, Answers], None]:
    def act(asked: Asked, answers: Answers) -> None:
        carry_out(asked, "several", what=what, accounts=answers[ACCOUNTS.var])

    return act


def _only(answers: Answers) -> str:
    """Section 4.8 and 4.9 name several, but have one answer."""
    if len(answers[ONE_OF_THEM.var]) > 1:
        raise StanzaError("not-acceptable", "one account at a time")
    return answers[ONE_OF_THEM.var][0]


def _roster(asked: Asked, answers: Answers) -> Done:
    account = _only(answers)
    contacts = carry_out(asked, "roster", account=account)
    form = dataforms.answer(ADMIN, _of(account))
    query = etree.SubElement(form, QUERY, nsmap={None: NAMESPACE})
    for contact in contacts:
        _add_contact(query, contact)
    return Done(form, _in_words(account, contacts))


def _in_words(account: str, contacts: Sequence[Contact]) -> str:
    """The first contacts: clients show people notes, and not what stands beside the fields of a form."""
    lines = (f"{each.contact} ({each.subscription})" for each in contacts[:NOTED])
    more = [f"... and {len(contacts) - NOTED} more"] if len(contacts) > NOTED else []
    return "\n".join((f"{account} has {len(contacts) or 'no'} contact{'s' * (len(contacts) != 1)}.", *lines, *more))


def _each(values: Iterable[str]) -> dict[str, str]:
    return {value: value for value in values}


def _of(account: str) -> Field:
    return Field(ONE_OF_THEM.var, "jid-multi", ONE_OF_THEM.label, (account,))


def _add_contact(query: etree._Element, contact: Contact) -> None:
    item = etree.SubElement(query, ITEM, jid=contact.contact, subscription=contact.subscription)
    if contact.name:
        item.set("name", contact.name)
    if contact.ask:
        item.set("ask", "subscribe")
    for group in contact.groups:
        etree.SubElement(item, GROUP).text = group


def _last_login(asked: Asked, answers: Answers) -> Done:
    account = _only(answers)
    at = carry_out(asked, "last-login", account=account)
    last = dataforms.filled(LAST_LOGIN, (timestamps.format_utc(at),) if at is not None else ())
    note = "" if at is not None else f"{account} has never been here."
    return Done(dataforms.answer(ADMIN, _of(account), last), note)


def _statistics(asked: Asked, answers: Answers) -> Done:
    [account] = answers[ACCOUNT.var]
    found = carry_out(asked, "statistics", account=account)
    return Done(
        dataforms.answer(
            ADMIN,
            # Clients show what is chosen among options, and nothing of it where there are none.
            Field("ipaddresses", "list-multi", "Connected from", found.addresses, options=_each(found.addresses)),
            Field("rostersize", label="How many contacts", values=[str(found.contacts)]),
            # The registry has text-single for these, and several of them in the example of section 4.10.
            Field("onlineresources", "text-multi", "Clients that are online, by resource", found.resources),
        )
    )


# -- who is an administrator


def _administrators(asked: Asked) -> tuple[Field, ...]:
    now = carry_out(asked, "administrators", domain=asked.at)
    return (Field("adminjids", "jid-multi", "The administrators of the domain", now),)


def _appoint(asked: Asked, answers: Answers) -> None:
    carry_out(asked, "appoint", accounts=answers.get("adminjids", ()), domain=asked.at)


def _command(
    node: str,
    name: str,
    act: Callable[[Asked, Answers], Done | None],
    *fields: Field,
    form: Callable[[Asked], tuple[Field, ...]] | None = None,
    instructions: str = "Fill in this form.",
) -> Command:
    return Command(
        f"{ADMIN}#{node}", name, (SERVER,), is_administrator, act, form or (lambda asked: fields), ADMIN, instructions
    )


COMMANDS = (
    _command("add-user", "Add a user", _add, ACCOUNT, PASSWORD, PASSWORD_AGAIN),
    _command("delete-user", "Delete users", _to_several("remove"), ACCOUNTS,
             instructions="They are gone at once, with all that they have."),
    _command("disable-user", "Disable users", _to_several("disable"), ACCOUNTS,
             instructions="Nobody can log in to them any more; all that they have stays."),
    _command("reenable-user", "Re-enable users", _to_several("enable"), ACCOUNTS),
    _command("end-user-session", "End sessions of users", _to_several("end-sessions"), ACCOUNTS,
             instructions="All sessions of an account, or the one of a full address."),
    _command("change-user-password", "Change a user's password", _change_password, ACCOUNT, PASSWORD,
             instructions="Whoever is logged in with the old one is logged out."),
    _command("get-user-roster", "Get a user's roster", _roster, ONE_OF_THEM),
    _command("get-user-lastlogin", "Get a user's last login time", _last_login, ONE_OF_THEM,
             instructions="When the newest session began; if there is none, when the last one ended."),
    _command("user-stats", "Get a user's statistics", _statistics, ACCOUNT),
    _command("edit-admin", "Edit the list of administrators", _appoint, form=_administrators,
             instructions="Those whom the configuration names are not in this list."),
)  # fmt: skip
