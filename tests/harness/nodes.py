"""Publish-subscribe in tests: requests as text, answers in short, and clients that want to hear of nodes."""

import re

from lxml import etree

from tests.harness.in_process import Client
from xmpp.data.wire import parse

PUBSUB = "http://jabber.org/protocol/pubsub"
OWNER = "http://jabber.org/protocol/pubsub#owner"
EVENT = "{http://jabber.org/protocol/pubsub#event}"
NODE_CONFIG = "http://jabber.org/protocol/pubsub#node_config"
PUBLISH_OPTIONS = "http://jabber.org/protocol/pubsub#publish-options"
SUBSCRIBE_OPTIONS = "http://jabber.org/protocol/pubsub#subscribe_options"
SERVICE = "pubsub.localhost"
INFO = "http://jabber.org/protocol/disco#info"


def ask(client: Client, payload: str, type: str = "set", to: str = SERVICE) -> str:
    """Send a request: the content of its result, or the conditions of its error, the one of pub-sub last."""
    received = client.sends(request(payload, type, to))
    [answer] = [each for each in received if each.startswith("<iq") and ' id="q"' in each]
    return answer_in(answer)


def request(payload: str, type: str, to: str) -> str:
    address = f" to='{to}'" if to else ""
    return f"<iq type='{type}' id='q'{address}>{payload}</iq>"


def answer_in(stanza: str) -> str:
    """The content of a result, or the conditions of an error."""
    element = parse(stanza.encode())
    if element.get("type") == "error":
        conditions = [etree.QName(each).localname for each in element[0] if not str(each.tag).endswith("}text")]
        return " ".join(conditions)
    assert element.get("type") == "result"
    return stanza.partition(">")[2].removesuffix("</iq>") if len(element) else ""


def pubsub(content: str) -> str:
    return f"<pubsub xmlns='{PUBSUB}'>{content}</pubsub>"


def owner(content: str) -> str:
    return f"<pubsub xmlns='{OWNER}'>{content}</pubsub>"


def form(form_type: str, **values: object) -> str:
    """A submitted form; the fields are named without "pubsub#"."""
    fields = "".join(f"<field var='pubsub#{var}'>{_values(value)}</field>" for var, value in values.items())
    return (
        f"<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>{form_type}</value></field>{fields}</x>"
    )


def _values(value: object) -> str:
    several = value if isinstance(value, (list, tuple)) else [value]
    return "".join(f"<value>{str(each).lower() if isinstance(each, bool) else each}</value>" for each in several)


def create(node: str, **configuration: object) -> str:
    configure = f"<configure>{form(NODE_CONFIG, **configuration)}</configure>" if configuration else ""
    return pubsub(f"<create node='{node}'/>{configure}")


def configure(node: str, **configuration: object) -> str:
    return owner(f"<configure node='{node}'>{form(NODE_CONFIG, **configuration)}</configure>")


def publish(node: str, *ids: str, payload: str = "<tune xmlns='urn:example:tune'/>", **options: object) -> str:
    items = "".join(f"<item id='{id}'>{payload}</item>" for id in ids)
    required = f"<publish-options>{form(PUBLISH_OPTIONS, **options)}</publish-options>" if options else ""
    return pubsub(f"<publish node='{node}'>{items}</publish>{required}")


def retract(node: str, *ids: str, notify: bool = False) -> str:
    flag = " notify='true'" if notify else ""
    return pubsub(f"<retract node='{node}'{flag}>" + "".join(f"<item id='{id}'/>" for id in ids) + "</retract>")


def items(node: str, *ids: str, most: int | None = None) -> str:
    limit = f" max_items='{most}'" if most is not None else ""
    return pubsub(f"<items node='{node}'{limit}>" + "".join(f"<item id='{id}'/>" for id in ids) + "</items>")


def subscribe(node: str, jid: str) -> str:
    return pubsub(f"<subscribe node='{node}' jid='{jid}'/>")


def change(what: str, node: str, who: str, value: str) -> str:
    """Another affiliation or subscription for somebody."""
    return owner(f"<{what}s node='{node}'><{what} jid='{who}' {what}='{value}'/></{what}s>")


def subscribed_node(
    name: str, of: Client, *subscribers: Client, host: str = SERVICE, **configuration: object
) -> None:
    """Make a node with one item, whose subscribers have asked for that."""
    assert ask(of, create(name, **{"access_model": "open", **configuration}), to=host) == ""
    ask(of, publish(name, "1"), to=host)
    for each in subscribers:
        assert "subscribed" in ask(each, subscribe(name, each.account), to=host)
        each.received()


def ids_in(text: str) -> list[str]:
    """The ids of all items in an answer or an event."""
    return re.findall(r'<item (?:[^>]*?)id="([^"]*)"', text)


def comes_online(client: Client, *nodes: str) -> list[str]:
    """Send presence, and say when asked that the client wants to hear of these nodes; returns what came after."""
    version = "+".join(nodes) or "none"
    caps = f"<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:example' ver='{version}'/>"
    return answers_what_it_wants(client, client.sends(f"<presence>{caps}</presence>"), *nodes)


def answers_what_it_wants(client: Client, received: list[str], *nodes: str) -> list[str]:
    """Answer the server's question after it; returns what came after."""
    [question] = [each for each in received if "disco#info" in each and each.startswith("<iq")]
    asked = parse(question.encode())
    features = "".join(f"<feature var='{node}+notify'/>" for node in nodes)
    return client.sends(
        f"<iq type='result' id='{asked.get('id')}' to='{asked.get('from')}'>"
        f"<query xmlns='{INFO}' node='{asked[0].get('node')}'>{features}</query></iq>"
    )


def events(received: list[str]) -> list[str]:
    """What was told of nodes, in short: from whom, and each child of the event with the ids of its items."""
    return [_told(parse(each.encode())) for each in received if each.startswith("<message")]


def _told(message: etree._Element) -> str:
    event = message.find(f"{EVENT}event")
    assert event is not None
    parts = []
    for child in event:
        things = [f"{etree.QName(each).localname} {each.get('id')}" for each in child if each.get("id")]
        parts.append(" ".join([etree.QName(child).localname, child.get("node", ""), *things]))
    return f"{message.get('from')}: {'; '.join(parts)}"
