"""Requests about blocklists."""

from tests.harness.in_process import Client


def items(*jids: str) -> str:
    return "".join(f'<item jid="{jid}"/>' for jid in jids)


def command(name: str, *jids: str) -> str:
    return f"<{name} xmlns='urn:xmpp:blocking'>{items(*jids)}</{name}>"


def block(client: Client, *jids: str) -> str:
    return client.asks(command("block", *jids), type="set")


def unblock(client: Client, *jids: str) -> str:
    return client.asks(command("unblock", *jids), type="set")
