"""XEP-0004 section 3.2, XEP-0068: every field of every form that the server sends has the type that its registry gives.

Clients take a field without a type for text-single, also where a form of type result may leave types out.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from db import roles
from handlers.admin.administration import carry_out
from handlers.commands import service_administration
from handlers.commands.administration import ADMIN
from handlers.contacts import strangers
from handlers.invitations import own
from handlers.invitations.commands import CREATE_ACCOUNT, INVITE
from handlers.login import registration_form
from tests.harness import adhoc
from tests.harness.in_process import Client, add_accounts, server_in
from tests.harness.nodes import ask, configure, create, form, owner, publish, pubsub, subscribe
from tests.harness.rooms import ROOM as VERONA
from tests.harness.rooms import configure as configure_room
from tests.harness.rooms import enter, opened
from tests.harness.servers import ROOT
from xmpp.data import dataforms
from xmpp.data.wire import parse
from xmpp.server import Server

HAMLET, FRANCISCO, APP = "hamlet@localhost", "francisco@localhost", "app@localhost/service"
SERVICE = "pubsub.localhost"
INFO = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
HATS = "urn:xmpp:hats:commands"
OWN_FILES = "xserv:files"
AVATAR = "<vCard xmlns='vcard-temp'><PHOTO><BINVAL>aGF0</BINVAL></PHOTO></vCard>"
PUBSUB = "http://jabber.org/protocol/pubsub"
ROLES = ("abuse", "admin", "feedback", "sales", "security", "status", "support")

ROOM_INFO = {
    "maxhistoryfetch": "text-single",
    "roomconfig_allowinvites": "boolean",
    "roomconfig_allowpm": "text-single",
    "roomconfig_roomname": "text-single",
    "roomconfig_changesubject": "boolean",
    "roominfo_avatarhash": "text-multi",  # XEP-0486
    "roominfo_contactjid": "jid-multi",
    "roominfo_description": "text-single",
    "roominfo_lang": "text-single",
    "roominfo_occupants": "text-single",
    "roominfo_slow_mode_duration": "text-single",
    "roominfo_subject": "text-single",
    "roominfo_subjectmod": "boolean",
}
NODE = {
    "access_model": "list-single",
    "contact": "jid-multi",
    "description": "text-single",
    "max_items": "text-single",
    "publish_model": "list-single",
    "title": "text-single",
    "type": "text-single",
}
CONFIGURATION = NODE | {
    "deliver_notifications": "boolean",
    "deliver_payloads": "boolean",
    "item_expire": "text-single",
    "itemreply": "list-single",
    "max_payload_size": "text-single",
    "node_type": "list-single",
    "notification_type": "list-single",
    "notify_config": "boolean",
    "notify_delete": "boolean",
    "notify_retract": "boolean",
    "notify_sub": "boolean",
    "persist_items": "boolean",
    "presence_based_delivery": "boolean",
    "publish_node_full": "list-single",
    "roster_groups_allowed": "list-multi",
    "send_last_published_item": "list-single",
    "subscribe": "boolean",
}
META_DATA = NODE | {
    "creation_date": "text-single",
    "creator": "jid-single",
    "num_subscribers": "text-single",
    "owner": "jid-multi",
    "publisher": "jid-multi",
}
ROOM = {  # XEP-0045 section 18.5.3
    "allowinvites": "boolean",
    "allowpm": "list-single",
    "changesubject": "boolean",
    "enablearchiving": "boolean",  # in no registry: what other servers call it
    "getmemberlist": "list-multi",
    "lang": "text-single",
    "maxusers": "list-single",
    "membersonly": "boolean",
    "moderatedroom": "boolean",
    "passwordprotectedroom": "boolean",
    "persistentroom": "boolean",
    "presencebroadcast": "list-multi",
    "publicroom": "boolean",
    "pubsub": "text-single",
    "roomadmins": "jid-multi",
    "roomdesc": "text-single",
    "roomname": "text-single",
    "roomowners": "jid-multi",
    "roomsecret": "text-private",
    "slow_mode_duration": "text-single",  # XEP-0500
    "whois": "list-single",
}
REGISTERED: Mapping[str, Mapping[str, str]] = {
    "http://jabber.org/network/serverinfo": {f"{role}-addresses": "list-multi" for role in ROLES},  # XEP-0157 section 6
    "http://jabber.org/protocol/muc#roomconfig": {
        "muc#maxhistoryfetch": "text-single",
        **{f"muc#roomconfig_{var}": type for var, type in ROOM.items()},
    },
    "http://jabber.org/protocol/muc#register": {"muc#register_roomnick": "text-single"},  # XEP-0045 section 15.5
    "http://jabber.org/protocol/muc#request": {
        "muc#jid": "jid-single",
        "muc#request_allow": "boolean",
        "muc#role": "list-single",
        "muc#roomnick": "text-single",
    },
    "http://jabber.org/protocol/muc#roominfo": {f"muc#{var}": type for var, type in ROOM_INFO.items()}
    | {"hats#hash": "text-single", "{urn:xmpp:muc-activity}message-activity": "text-single"}  # XEP-0317, XEP-0502
    | {"{http://modules.prosody.im/mod_vcard_muc}avatar#sha1": "text-single"},
    HATS: {"hats#hue": "text-single", "hats#jid": "jid-single", "hats#title": "text-single", "hats#uri": "text-single"},
    f"{PUBSUB}#node_config": {f"pubsub#{var}": type for var, type in CONFIGURATION.items()},  # XEP-0060 section 16.4
    f"{PUBSUB}#meta-data": {f"pubsub#{var}": type for var, type in META_DATA.items()},
    f"{PUBSUB}#subscribe_options": {"pubsub#deliver": "boolean"},
    f"{PUBSUB}#subscribe_authorization": {
        "pubsub#allow": "boolean",
        "pubsub#node": "text-single",
        "pubsub#subscriber_jid": "jid-single",
    },
    "jabber:iq:register": {"password": "text-private", "username": "text-single"},  # XEP-0077 section 9.2
    "jabber:iq:search": {  # XEP-0055 section 7.3
        "email": "text-single",
        "first": "text-single",
        "jid": "jid-single",  # section 3: only in answers, and in no registry
        "last": "text-single",
        "nick": "text-single",
    },
    "urn:xmpp:channel-search:0:search-params": {  # XEP-0433 section 6.1
        "all": "boolean",
        "key": "list-single",
        "q": "text-single",
        "sinaddress": "boolean",
        "sindescription": "boolean",
        "sinname": "boolean",
        "types": "list-multi",
    },
    "urn:xmpp:mam:2": {  # XEP-0313 section 4.1.5; its registry has text-multi for ids
        "after-id": "text-single",
        "before-id": "text-single",
        "end": "text-single",
        "ids": "list-multi",
        "include-groupchat": "boolean",
        "start": "text-single",
        "with": "jid-single",
        "{urn:xmpp:fulltext:0}fulltext": "text-single",
    },
    "urn:xmpp:invite#invitation": {"uri": "text-single", "landing-url": "text-single", "expire": "text-single"},
    CREATE_ACCOUNT: {"username": "text-single", "roster-subscription": "boolean"}  # XEP-0401 section 4.4
    | {"group": "list-single"},  # our own
    own.FORM_TYPE: {  # our own
        **dict.fromkeys(("number", "purpose", "made", "expires", "state"), "text-single"),
        "invitations": "list-multi",
    },
    "urn:xmpp:http:upload:0": {"max-file-size": "text-single"},
    ADMIN: {  # XEP-0133 section 8.2
        "accountjid": "jid-single",
        "accountjids": "jid-multi",
        "activeuserjids": "jid-multi",
        "activeusersnum": "text-single",
        "adminjids": "jid-multi",
        "announcement": "text-multi",
        "disableduserjids": "jid-multi",
        "disabledusersnum": "text-single",
        "idleusersnum": "text-single",
        "ipaddresses": "list-multi",
        "lastlogin": "text-single",
        "max_items": "list-single",
        "motd": "text-multi",
        "onlineresources": "text-multi",  # text-single in the registry, and with several values in section 4.10
        "onlineuserjids": "jid-multi",
        "onlineusersnum": "text-single",
        "password": "text-private",
        "password-verify": "text-private",
        "registereduserjids": "jid-multi",
        "registeredusersnum": "text-single",
        "rostersize": "text-single",
        "welcome": "text-multi",
    },
    strangers.COMMAND: {"messages": "list-single"},  # our own
    OWN_FILES: {  # our own
        **dict.fromkeys(("name", "size", "purpose", "uploaded", "expires", "address"), "text-single"),
        "files": "list-multi",
    },
    "urn:xmpp:push:summary": {  # XEP-0357 section 11.3
        "last-message-body": "text-single",
        "last-message-sender": "jid-single",
        "message-count": "text-single",
        "pending-subscription-count": "text-single",
    },
}
MAKERS = {
    "handlers/archive/query.py",
    "handlers/commands/__init__.py",
    "handlers/commands/of_accounts.py",
    "handlers/commands/of_domains.py",
    "handlers/discovery/disco_info.py",
    "handlers/invitations/commands.py",
    "handlers/invitations/own.py",
    "handlers/pubsub/approval.py",
    "handlers/pubsub/configuration.py",
    "handlers/pubsub/discovery.py",
    "handlers/pubsub/subscription_options.py",
    "handlers/push/bursts.py",
    "handlers/login/registration_form.py",
    "handlers/discovery/search.py",
    "handlers/rooms/channel_search.py",
    "handlers/rooms/configuration.py",
    "handlers/rooms/discovery.py",
    "handlers/rooms/hat_commands.py",
    "handlers/rooms/registration.py",
    "handlers/rooms/voice.py",
    "handlers/upload/__init__.py",
    "handlers/upload/commands.py",
}
"""The files that make forms, all of which are sent below."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    settings: dict[str, dict[str, Any]] = {
        "archive": {"enabled": True},
        "disco": {role: [f"mailto:{role}@localhost", f"xmpp:{role}@localhost"] for role in ROLES},
        "push": {"burst_seconds": 0.0, "include_sender": True, "include_body": True},
        "search": {"enabled": True},
        "upload": {"address": "https://files.localhost"},
    }
    with server_in(tmp_path, **settings) as server:
        add_accounts(server, "hamlet", "francisco", "app", "ophelia")
        yield server


def test_every_field_of_a_form_has_the_type_that_is_registered_for_it(server: Server) -> None:
    sent = dict[str, dict[str, str]]()
    for x in all_forms(server):
        types = types_in(x)
        form_type = dataforms.values_of(x)["FORM_TYPE"][0]
        assert types.pop("FORM_TYPE") == "hidden"
        types.pop("pubsub#language", None)
        sent.setdefault(form_type, {}).update(types)
    assert sent == REGISTERED


def test_no_form_is_made_that_is_not_looked_at_here() -> None:
    makes = re.compile(r"dataforms\.(form|result|answer|report)\(|\bForm\(")
    files = (ROOT / "handlers").glob("**/*.py")
    assert {str(path.relative_to(ROOT)) for path in files if makes.search(path.read_text(encoding="utf-8"))} == MAKERS


def types_in(x: etree._Element) -> dict[str, str]:
    """The type of each field. Those of items have none: their types are those that are reported (section 3.4)."""
    fields = [*x.iterchildren(dataforms.FIELD), *x.iterfind(f"{{{dataforms.NAMESPACE}}}reported/{dataforms.FIELD}")]
    return {field.get("var", ""): field.get("type", "missing") for field in fields}


# -- how they are had


COMMAND = "<command xmlns='http://jabber.org/protocol/commands' node='{}'/>"


def all_forms(server: Server) -> list[etree._Element]:
    hamlet, francisco = Client(server, f"{HAMLET}/castle"), Client(server, f"{FRANCISCO}/post")
    answers = [
        hamlet.asks(INFO, to="localhost"),
        hamlet.asks("<query xmlns='urn:xmpp:mam:2'/>"),
        *of_search(hamlet),
        *of_push(server, hamlet),
        *of_nodes(hamlet, francisco),
        *of_rooms(hamlet, francisco),
        *of_files(hamlet),
        *of_administration(server, hamlet),
        hamlet.asks(COMMAND.format(strangers.COMMAND), type="set", to="localhost"),
        *of_invitations(server, hamlet),
        etree.tostring(registration_form.query("Choose a username and a password."), encoding="unicode"),
    ]
    return [x for answer in answers for x in parse(answer.encode()).iter(dataforms.X) if x.get("type") != "submit"]


def of_invitations(server: Server, hamlet: Client) -> list[str]:
    roles.give(server.db, HAMLET, "administrator")
    server.find_web_base = lambda domain: f"https://{domain}"
    carry_out(server, "create-group", group="Watch")
    nodes = (INVITE, CREATE_ACCOUNT, *(command.node for command in own.COMMANDS))
    return [hamlet.asks(COMMAND.format(node), type="set", to="localhost") for node in nodes]


def of_rooms(hamlet: Client, francisco: Client) -> list[str]:
    told = {"roomname": "Verona", "roomdesc": "Two households", "lang": "en", "whois": "anyone"}
    configure_room(opened(hamlet, "Hamlet", moderatedroom=True, slow_mode_duration=1, publicroom=True), **told)
    enter(francisco, "Francisco")
    hamlet.asks(AVATAR, type="set", to=VERONA)
    answers = [
        *of_hats(hamlet),
        hamlet.asks("<query xmlns='http://jabber.org/protocol/muc#owner'/>", to=VERONA),
        hamlet.asks(INFO, to=VERONA),
        hamlet.asks("<query xmlns='jabber:iq:register'/>", to=VERONA),
        hamlet.asks("<search xmlns='urn:xmpp:channel-search:0:search'/>", to="rooms.localhost"),
    ]
    hamlet.received()
    asked = "<field var='muc#role'><value>participant</value></field>"
    wish = f"<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#request</value></field>{asked}"
    francisco.sends(f"<message to='{VERONA}'><x xmlns='jabber:x:data' type='submit'>{wish}</x></message>")
    return [*answers, *hamlet.received()]


def of_hats(hamlet: Client) -> list[str]:
    """The lists come last: in other forms, of the hats that there are, one is chosen (XEP-0317 section "Assigning a
    Hat")."""
    command = "<command xmlns='http://jabber.org/protocol/commands' node='urn:xmpp:hats:commands:{}'>{}</command>"
    values = {"FORM_TYPE": HATS, "hats#title": "Teacher", "hats#uri": "urn:example:teacher"}
    fields = "".join(f"<field var='{var}'><value>{value}</value></field>" for var, value in values.items())
    made = hamlet.asks(
        command.format("create", f"<x xmlns='jabber:x:data' type='submit'>{fields}</x>"), type="set", to=VERONA
    )
    assert "completed" in made
    nodes = ("create", "destroy", "assign", "unassign", "list", "list-assigned")
    return [hamlet.asks(command.format(node, ""), type="set", to=VERONA) for node in nodes]


def of_files(hamlet: Client) -> list[str]:
    command = "<command xmlns='http://jabber.org/protocol/commands' node='{}:{}'/>"
    asked = [command.format(OWN_FILES, each) for each in ("list", "delete")]
    return [hamlet.asks(INFO, to="upload.localhost"),
            *(hamlet.asks(each, type="set", to="upload.localhost") for each in asked)]  # fmt: skip


def of_administration(server: Server, hamlet: Client) -> list[str]:
    carry_out(server, "role", account=HAMLET, role="administrator")
    forms = [adhoc.request(command.node, "localhost") for command in service_administration.COMMANDS]
    filled_in = {
        "get-user-roster": {"accountjids": FRANCISCO},
        "get-user-lastlogin": {"accountjids": FRANCISCO},
        "user-stats": {"accountjid": FRANCISCO},
        **{f"get-{kind}-users-list": {"max_items": "25"} for kind in ("registered", "disabled", "online")},
        **{f"get-{kind}-users": {"max_items": "25"} for kind in ("active", "idle")},
    }
    results = [adhoc.request(f"{ADMIN}#{node}", "localhost", ADMIN, **form) for node, form in filled_in.items()]
    return [answer for each in (*forms, *results) for answer in hamlet.sends(each)]


def of_search(hamlet: Client) -> list[str]:
    hamlet.asks("<vCard xmlns='vcard-temp'><NICKNAME>The Dane</NICKNAME></vCard>", type="set")
    filled_in = "<x xmlns='jabber:x:data' type='submit'><field var='nick'><value>dane</value></field></x>"
    found = hamlet.asks(f"<query xmlns='jabber:iq:search'>{filled_in}</query>", type="set", to="localhost")
    assert "<item" in found
    return [hamlet.asks("<query xmlns='jabber:iq:search'/>", to="localhost"), found]


def of_push(server: Server, hamlet: Client) -> list[str]:
    """For a device that is away: of a message, and of somebody who wants to be its contact."""
    app, phone = Client(server, APP), Client(server, "ophelia@localhost/phone")
    assert phone.asks(f"<enable xmlns='urn:xmpp:push:0' jid='{APP}' node='phone'/>", type="set") == ""
    phone.session.close()
    hamlet.sends("<presence to='ophelia@localhost' type='subscribe'/>")
    hamlet.sends("<message to='ophelia@localhost' type='chat'><body>Words</body></message>")
    [of_request] = app.received()
    iq = parse(of_request.encode())
    [of_message] = app.sends(f"<iq type='result' id='{iq.get('id')}' to='{iq.get('from')}'/>")
    return [of_request, of_message]


def of_nodes(hamlet: Client, francisco: Client) -> list[str]:
    ask(hamlet, create("musings", title="Musings", description="On life", language="en", contact=HAMLET, type="a"))
    ask(hamlet, publish("musings", "1"))
    ask(francisco, subscribe("musings", FRANCISCO))
    francisco.received()
    about = INFO.replace("/>", " node='musings'/>")
    options = f"<options node='musings' jid='{FRANCISCO}'"
    answers = [
        hamlet.asks(about, to=SERVICE),
        ask(hamlet, owner("<configure node='musings'/>"), "get"),
        ask(hamlet, owner("<default/>"), "get"),
        ask(francisco, pubsub("<default/>"), "get"),
        ask(francisco, pubsub(f"{options}/>"), "get"),
    ]
    silent = form(f"{PUBSUB}#subscribe_options", deliver=True)
    ask(hamlet, configure("musings", notify_config=True, title="Other musings"))
    answers += [*francisco.received(), ask(francisco, pubsub(f"{options}>{silent}</options>"))]
    return [answer for answer in [*answers, *of_approval(hamlet, francisco)] if answer]


def of_approval(hamlet: Client, francisco: Client) -> list[str]:
    hamlet.sends("<presence/>")
    ask(hamlet, create("secrets", access_model="authorize"))
    hamlet.received()
    ask(francisco, subscribe("secrets", FRANCISCO))
    return hamlet.received()
