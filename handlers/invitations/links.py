"""The addresses that stand in an invitation (XEP-0401, XEP-0445 section 2): for XMPP clients, and for browsers."""

from typing import TYPE_CHECKING
from urllib.parse import quote

from db.invitations import CONTACT, RESET, Invitation

if TYPE_CHECKING:
    from xmpp.data.jid import JID
    from xmpp.routing.servers import Server

PAGES = ("pages", "invitation_pages")  # the parts of the HTTP side that have them
INVITATION_PATH = "/invite/"  # the token follows
RESET_PATH = "/reset/"
NODE_ALLOWED = "!$()*+,;="  # RFC 5122 section 2.2, beside letters, digits and -._~


def uri(invitation: Invitation, token: str, *, may_register: bool) -> str:
    """The address for clients; "" for what no client knows. `may_register`: who has no account may make one."""
    if invitation.kind == RESET:
        return ""
    if invitation.kind == CONTACT:
        assert invitation.inviter is not None
        return f"xmpp:{_written(invitation.inviter)}?roster;preauth={token}" + (";ibr=y" if may_register else "")
    whom = _written(invitation.reserved) if invitation.reserved else quote(invitation.domain, safe="[:]")
    return f"xmpp:{whom}?register;preauth={token}"


def page(server: "Server", invitation: Invitation, token: str) -> str | None:
    """The page for browsers; None where there is none."""
    base = server.web_base(invitation.domain)
    if base is None or not has_pages(server, invitation.domain):
        return None
    return base + (RESET_PATH if invitation.kind == RESET else INVITATION_PATH) + token


def has_pages(server: "Server", domain: str) -> bool:
    """True if there are pages for browsers at a domain."""
    return server.web_base(domain) is not None and all(map(server.configuration.is_enabled, PAGES))


def _written(account: "JID") -> str:
    return f"{quote(account.local or '', safe=NODE_ALLOWED)}@{quote(account.domain, safe='[:]')}"
