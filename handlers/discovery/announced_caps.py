"""XEP-0115 and XEP-0390: the capabilities that a client announces in its presence. Works on data alone."""

from typing import NamedTuple

from handlers.discovery.caps2 import HASH
from handlers.discovery.caps_hashes import ALGORITHMS, CAPS, CAPS2, Hash
from xmpp.data.stanza import Stanza

C = f"{{{CAPS}}}c"
C2 = f"{{{CAPS2}}}c"

MAX_NODE = 1_000  # characters


class Announced(NamedTuple):
    """What a client announces: the node at which it can be asked, and the hash of its answer. `hash` is None if none
    was sent, or its algorithm is unknown here: then the answer proves nothing about other clients."""

    node: str
    hash: Hash | None


def announced_in(presence: Stanza) -> Announced | None:
    """What presence announces by XEP-0390 with an algorithm that is known here, else by XEP-0115."""
    announced = _by_xep_0390(presence) or _by_xep_0115(presence)
    return announced if announced is not None and len(announced.node) <= MAX_NODE else None


def _by_xep_0390(presence: Stanza) -> Announced | None:
    elements = [element for c in presence.children(C2) for element in c.iterchildren(HASH)]
    values = {element.get("algo", ""): (element.text or "").strip() for element in elements}
    for algorithm in ALGORITHMS:
        if algorithm in values:
            hash = Hash(CAPS2, algorithm, values[algorithm])
            return Announced(hash.node, hash)
    return None


def _by_xep_0115(presence: Stanza) -> Announced | None:
    # Without a hash of a known algorithm the answer counts for that client alone (section 5.4)
    c = presence.child(C)
    if c is None or not c.get("node") or not c.get("ver"):
        return None
    algorithm, value = c.get("hash", ""), c.get("ver", "")
    return Announced(f"{c.get('node')}#{value}", Hash(CAPS, algorithm, value) if algorithm in ALGORITHMS else None)
