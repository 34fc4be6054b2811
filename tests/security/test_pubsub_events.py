"""docs/security.md row 22: events that claim to come from an account, one's own or another's (CVE-2023-28686)."""

from pathlib import Path

import pytest

from tests.harness.in_process import Client, add_accounts, server_in

EVENT = "<event xmlns='http://jabber.org/protocol/pubsub#event'><items node='urn:xmpp:bookmarks:1'/></event>"


@pytest.mark.parametrize("sender", ["", " from='mercutio@localhost'", " from='mercutio@localhost/street'"])
@pytest.mark.parametrize("to", ["", "romeo@localhost", "romeo@localhost/orchard", "mercutio@localhost"])
def test_row_22_no_client_tells_of_events(tmp_path: Path, sender: str, to: str) -> None:
    with server_in(tmp_path) as server:
        add_accounts(server, "romeo", "mercutio")
        addresses = ("mercutio@localhost/street", "mercutio@localhost/tomb", "romeo@localhost/orchard")
        clients = [Client(server, address) for address in addresses]
        for client in clients:
            client.sends("<presence/>")
        for client in clients:
            client.received()
        address = f" to='{to}'" if to else ""
        [answer] = clients[0].sends(f"<message{sender}{address} type='headline'>{EVENT}</message>")
        assert "not-acceptable" in answer
        assert [client.received() for client in clients[1:]] == [[], []]
