"""What administrators do with invitations: they make them, see which are open, and take them back."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from db import groups as group_records
from db import invitations as records
from db.invitations import Invitation
from handlers.admin import roles
from handlers.admin.given import (
    SHOWN,
    Administrator,
    address,
    changeable_account,
    done_or_refused,
    note,
    refuse_raising,
    served_domain,
    unhurried,
)
from handlers.admin.groups import existing
from handlers.groups import is_full
from handlers.invitations import feature, invitations, links
from handlers.invitations.invitations import Link
from handlers.invitations.settings import DAY_SECONDS
from xmpp.control import Refused
from xmpp.data.jid import JID

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

AT_ONCE = 100  # invitations that are read at a time
MAX_SECONDS = 365 * DAY_SECONDS


class Made(NamedTuple):
    """An invitation that was just made. `uri`: for XMPP clients, "" where no client knows such an address; `page`: for
    browsers, "" where there are no pages; `expires` in seconds since 1970."""

    number: int
    uri: str
    page: str
    expires: float


class Listed(NamedTuple):
    """An invitation in a list; times in seconds since 1970. `kind`: one of db.invitations.KINDS. `account`: for whom it
    is, "" for anybody; `group`: the name of the one that it leads into; `inviter` is "" for the command line; `state`:
    OPEN, USED or EXPIRED."""

    number: int
    kind: str
    domain: str
    inviter: str
    account: str
    group: str
    uses_left: int
    created: float
    expires: float
    state: str


def listing(server: "Server", by: Administrator, text: str = "", after: str = "0", most: int = SHOWN) -> list[Listed]:
    """At most so many invitations that have this text in an address or in the name of their group, the oldest first,
    after the one of this number; those that were used up or have expired not long ago among them. Yields."""
    found = list[Listed]()
    for invitation in unhurried(_of(server, by, int(after or 0))):
        listed = _listed(server, invitation)
        if text.strip().casefold() in f"{listed.inviter} {listed.account} {listed.group}".casefold():
            found.append(listed)
        if len(found) >= most:
            break
    return found


def invite(
    server: "Server",
    by: Administrator,
    name: str = "",
    domain: str = "",
    group: str = "",
    uses: int = 1,
    seconds: float = 0.0,
    contact: bool = False,
) -> Made:
    """Make an invitation to make an account at a domain, "" for one of the administrator's. `name`: the only one that
    can be made, as NAME or NAME@DOMAIN; `group`: the name of the group that the newcomer joins; `seconds`: how long it
    holds, 0 for as long as usual; `contact`: the newcomer and this administrator become contacts."""
    _refuse_if_off(server)
    reserved = address(name) if "@" in name else None
    domain = served_domain(server, by, reserved.domain if reserved else domain)
    if name and reserved is None:
        reserved = address(f"{name}@{domain}")
    if reserved is not None:
        refuse_raising(server, by, reserved)
    if not 0 <= seconds <= MAX_SECONDS:
        raise Refused(f"An invitation holds for {MAX_SECONDS / DAY_SECONDS:.0f} days at most.")
    joined = existing(server, by, group, domain).id if group else None
    if joined is not None and is_full(server, joined):
        raise Refused(f"The group {group} is full.")
    inviter = _account_of(by)
    link = done_or_refused(
        lambda: invitations.invite_newcomer(
            server, domain, inviter=inviter, is_contact=contact and inviter is not None, reserved=reserved,
            group=joined, uses=uses, seconds=seconds,
        )
    )  # fmt: skip
    note(by, "invitation", str(link.invitation.id), f"for {reserved or f'anybody at {domain}'} was made")
    return _made(link)


def reset_link(server: "Server", by: Administrator, account: str) -> Made:
    """Make a link by which whoever has it sets another password of an account: that of an administrator only for one of
    the whole server (docs/security.md row 201)."""
    _refuse_if_off(server)
    jid = changeable_account(server, by, account)
    if by.domain and roles.is_administrator(server, jid):
        raise Refused(f"{jid} is an administrator: only one of the whole server can do this.")
    if not links.has_pages(server, jid.domain):
        raise Refused("There is no page on which a password could be set: see [web] and [invitation_pages].")
    link = done_or_refused(lambda: invitations.offer_reset(server, jid, inviter=_account_of(by)))
    note(by, "account", jid, "can be given another password by a link that was made")
    return _made(link)


def revoke(server: "Server", by: Administrator, number: str) -> None:
    """Take an invitation back: its link is good for nothing any more."""
    invitation = records.get(server.db, int(number)) if number.isdecimal() and len(number) < 19 else None
    if invitation is None or not by.may_at(invitation.domain):
        raise Refused(f"There is no invitation {number}.")
    records.remove(server.db, invitation.id)
    note(by, "invitation", str(invitation.id), "was taken back")


# -- parts


def _of(server: "Server", by: Administrator, after: int) -> Iterator[Invitation]:
    while some := records.after(server.db, after, AT_ONCE):
        yield from (each for each in some if by.may_at(each.domain))
        after = some[-1].id


def _listed(server: "Server", invitation: Invitation) -> Listed:
    group = group_records.get(server.db, invitation.group) if invitation.group is not None else None
    return Listed(
        invitation.id,
        invitation.kind,
        invitation.domain,
        invitation.inviter or "",
        invitation.reserved or invitation.resets or "",
        group.name if group else "",
        invitation.uses_left,
        invitation.created,
        invitation.expires,
        invitations.state(invitation),
    )


def _made(link: Link) -> Made:
    return Made(link.invitation.id, link.uri, link.page or "", link.invitation.expires)


def _account_of(by: Administrator) -> JID | None:
    return JID.parse(by.name) if "@" in by.name else None


def _refuse_if_off(server: "Server") -> None:
    if feature not in server.registry.features:
        raise Refused("Invitations are off: see [invitations].")
