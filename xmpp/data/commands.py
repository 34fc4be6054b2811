"""Ad-hoc commands (XEP-0050) that are done once their form is filled in: what is asked for, what is answered, and how
they are found (XEP-0030).

Nothing is kept between the request for the form and the one with it: who knows what to fill in sends that at once.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from lxml import etree

from xmpp.data import dataforms, names
from xmpp.data.dataforms import Field
from xmpp.data.disco import ITEMS, ITEMS_QUERY, Identity, Info
from xmpp.data.errors import StanzaError
from xmpp.data.ids import random_id
from xmpp.data.jid import JID, MalformedJID

NAMESPACE = "http://jabber.org/protocol/commands"
COMMAND = f"{{{NAMESPACE}}}command"
ACTIONS = frozenset({"execute", "complete", "cancel", "next", "prev"})
THERE_IS_ONE_STAGE = frozenset({"next", "prev"})
LANGUAGE = "en"


class Request(NamedTuple):
    """What somebody asks for: the command of a node, with the form if it is filled in. `session` is what the answers
    are to be called."""

    node: str
    session: str
    action: str
    form: etree._Element | None


def requested(command: etree._Element) -> Request:
    """Read a <command/>. Raises StanzaError where it asks for what no command does."""
    action = command.get("action", "execute")
    if action not in ACTIONS:
        raise _bad_request("malformed-action", "there is no such action")
    if action in THERE_IS_ONE_STAGE:
        raise _bad_request("bad-action", "there is one form, and nothing before or after it")
    form = command.find(dataforms.X)
    if action == "complete" and form is None:
        raise _bad_payload("the form is missing")
    return Request(command.get("node", ""), command.get("sessionid") or random_id(), action, form)


def _bad_payload(text: str) -> StanzaError:
    return _bad_request("bad-payload", text)


def _bad_request(condition: str, text: str) -> StanzaError:
    application = etree.Element(f"{{{NAMESPACE}}}{condition}", nsmap={None: NAMESPACE})
    return StanzaError("bad-request", text, application=application)


def not_for_you() -> StanzaError:
    """The error for somebody who may not use a command (section "Possible Errors", which gives it this type)."""
    return StanzaError("forbidden", "you may not use this command", type="cancel")


# -- carrying one out


Answers = Mapping[str, tuple[str, ...]]
"""What was filled in, by field; what was left empty is () or is not there."""


class Form(NamedTuple):
    """What has to be filled in for a command. `fields()` are asked for each time: what can be chosen may have
    changed since the form was shown."""

    form_type: str
    fields: Callable[[], Sequence[Field]]
    instructions: str = "Fill in this form."


class Done(NamedTuple):
    """What a command says when it is done: a form of type result, and a text for people."""

    result: etree._Element | None = None
    note: str = ""


def carried_out(
    request: Request, name: str, form: Form | None, act: Callable[[Answers], Done | None]
) -> etree._Element:
    """Do what the command of this name does, once its form is filled in, if there is one; else show that. Raises
    StanzaError."""
    if request.action == "cancel":
        return _answer(request, "canceled")
    answers: Answers = {}
    if form is not None:
        fields = form.fields()
        if request.form is None:
            return _to_fill_in(
                request, dataforms.form(form.form_type, fields, title=name, instructions=form.instructions)
            )
        answers = _filled_in(request.form, form.form_type, fields)
    return _completed(request, act(answers) or Done())


def _to_fill_in(request: Request, form: etree._Element) -> etree._Element:
    command = _answer(request, "executing")
    actions = etree.SubElement(command, f"{{{NAMESPACE}}}actions", execute="complete")
    etree.SubElement(actions, f"{{{NAMESPACE}}}complete")
    command.append(form)
    return command


def _filled_in(x: etree._Element, form_type: str, fields: Sequence[Field]) -> Answers:
    try:
        return dataforms.submitted(x, form_type, fields)
    except MalformedJID as error:
        raise StanzaError("jid-malformed", str(error)) from None
    except ValueError as error:
        raise _bad_payload(str(error)) from None


def _completed(request: Request, done: Done) -> etree._Element:
    command = _answer(request, "completed")
    if done.note:
        etree.SubElement(command, f"{{{NAMESPACE}}}note", type="info").text = done.note
    if done.result is not None:
        command.append(done.result)
    return command


def _answer(request: Request, status: str) -> etree._Element:
    attributes = {"node": request.node, "sessionid": request.session, "status": status, names.XML_LANG: LANGUAGE}
    return etree.Element(COMMAND, attributes, nsmap={None: NAMESPACE})


# -- how they are found


LIST = Info((Identity("automation", "command-list", "Commands"),), frozenset())
"""What is at the node of all commands."""


def items(address: JID, named: Mapping[str, str]) -> etree._Element:
    """The list of the commands at an address: their names by node."""
    query = etree.Element(ITEMS_QUERY, node=NAMESPACE, nsmap={None: ITEMS})
    for node, name in named.items():
        etree.SubElement(query, f"{{{ITEMS}}}item", jid=address, node=node, name=name)
    return query


def described(name: str) -> Info:
    """What is at the node of a command."""
    return Info((Identity("automation", "command-node", name),), frozenset({NAMESPACE, dataforms.NAMESPACE}))
