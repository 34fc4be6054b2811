"""Commands (XEP-0050), used as a client does: a node is executed, and a form filled in."""

from collections.abc import Sequence

from lxml import etree

from tests.harness.in_process import Client
from xmpp.data.commands import NAMESPACE
from xmpp.data.wire import escaped, parse

DATA = "{jabber:x:data}"
COMMAND = f"{{{NAMESPACE}}}"


def execute(client: Client, node: str, to: str, form_type: str = "", **fields: str | Sequence[str]) -> etree._Element:
    """Have a command done, with these fields filled in if there are any; returns the iq with the answer."""
    return parse(client.sends(request(node, to, form_type, **fields))[-1].encode())


def request(node: str, to: str, form_type: str = "", **fields: str | Sequence[str]) -> str:
    """The request for it."""
    form = ""
    if fields:
        values = {"FORM_TYPE": form_type, **fields}
        form = "".join(field(var, (given,) if isinstance(given, str) else given) for var, given in values.items())
        form = f"<x xmlns='jabber:x:data' type='submit'>{form}</x>"
    command = f"<command xmlns='{NAMESPACE}' node='{node}' action='execute'>{form}</command>"
    return f"<iq type='set' id='c' to='{to}'>{command}</iq>"


def field(var: str, values: Sequence[str]) -> str:
    inside = "".join(f"<value>{escaped(value)}</value>" for value in values)
    return f"<field var='{var}'>{inside}</field>"


def status(iq: etree._Element) -> str:
    """How far a command is; or the condition and the type of the error."""
    error = iq.find("{jabber:client}error")
    if error is not None:
        return f"{str(error[0].tag).partition('}')[2]} {error.get('type')}"
    return str(iq[0].get("status"))


def values(iq: etree._Element) -> dict[str, list[str]]:
    """The values of the fields in an answer."""
    return {
        str(each.get("var")): [value.text or "" for value in each.iterfind(f"{DATA}value")]
        for each in iq.iter(f"{DATA}field")
    }


def note(iq: etree._Element) -> str:
    """What an answer says to people, or why it is an error."""
    return str(iq.findtext(f"{COMMAND}command/{COMMAND}note") or iq.findtext(".//{*}text") or "")


def listed(client: Client, to: str) -> list[str]:
    """The nodes of the commands that somebody is shown."""
    query = f"<query xmlns='http://jabber.org/protocol/disco#items' node='{NAMESPACE}'/>"
    [answer] = client.sends(f"<iq type='get' id='l' to='{to}'>{query}</iq>")
    return [str(item.get("node")) for item in parse(answer.encode())[0] if str(item.tag).endswith("}item")]
