"""What clients say of themselves, as the texts have it."""

from dataclasses import replace
from typing import Any

from xmpp.data.disco import Form, Identity, Info

INFO, ITEMS = "http://jabber.org/protocol/disco#info", "http://jabber.org/protocol/disco#items"


CAPS, MUC = "http://jabber.org/protocol/caps", "http://jabber.org/protocol/muc"


SIMPLE = Info((Identity("client", "pc", "Exodus 0.9.1"),), frozenset({CAPS, INFO, ITEMS, MUC}))


COMPLEX = Info(
    (Identity("client", "pc", "Psi 0.11", "en"), Identity("client", "pc", "Ψ 0.11", "el")),
    frozenset({CAPS, INFO, ITEMS, MUC}),
    (
        Form(
            "urn:xmpp:dataforms:softwareinfo",
            (
                ("software", ("Psi",)),
                ("software_version", ("0.11",)),
                ("os", ("Mac",)),
                ("ip_version", ("ipv6", "ipv4")),
                ("os_version", ("10.5.1",)),
            ),
        ),
    ),
)


NOTIFY = "urn:xmpp:avatar:metadata+notify"


AVATARS = Info((Identity("client", "phone", "Rapier"),), frozenset({CAPS, INFO, NOTIFY}))


def forged(*features: str, **changes: Any) -> Info:
    """AVATARS as somebody else tells it, without the feature that matters."""
    return replace(AVATARS, features=frozenset(features), **changes)


FORGERIES = {
    "name": forged(INFO, NOTIFY, identities=(Identity("client", "phone", f"Rapier<{CAPS}"),)),
    "joined features": forged(f"{CAPS}<{INFO}<{NOTIFY}"),
    "form type": forged(CAPS, INFO, forms=(Form(NOTIFY, ()),)),
    "field": forged(CAPS, forms=(Form(INFO, ((NOTIFY, ()),)),)),
    "value": forged(forms=(Form(CAPS, ((INFO, (NOTIFY,)),)),)),
    "identity": forged(
        INFO, NOTIFY, identities=(*AVATARS.identities, Identity("http:", "", "protocol/caps", "jabber.org"))
    ),
}
