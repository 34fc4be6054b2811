"""docs/security.md row 20: nobody says of himself what only rooms say of their occupants."""

from pathlib import Path

import pytest

from tests.harness.in_process import Client, add_accounts, befriend, server_in

FORGED = "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='x'/><hats xmlns='urn:xmpp:hats:0'><hat title='Owner'/></hats>"


@pytest.mark.parametrize(
    "stanza",
    [
        f"<message to='juliet@localhost' type='chat'><body>hi</body>{FORGED}</message>",
        f"<presence to='juliet@localhost'><status>hi</status>{FORGED}</presence>",
        f"<presence><status>hi</status>{FORGED}</presence>",
    ],
    ids=["a message", "directed presence", "presence"],
)
def test_row_20_ids_and_hats_of_occupants_are_not_passed_on(tmp_path: Path, stanza: str) -> None:
    with server_in(tmp_path) as server:
        add_accounts(server, "romeo", "juliet")
        romeo, juliet = (Client(server, f"{name}@localhost/here") for name in ("romeo", "juliet"))
        befriend(server, romeo.account, juliet.account)
        juliet.sends("<presence/>")
        juliet.received()
        romeo.sends(stanza)
        [received] = juliet.received()
        assert ">hi<" in received
        assert "occupant-id" not in received and "hats" not in received
