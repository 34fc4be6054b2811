"""What administrators do, by the names of commands: the only list. The command line and the administration page both
carry out these, so that neither may do more than the other.

They run inside the server; if none runs, inside the command line, on a server object that does not listen.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from db.sqlite.errors import StorageError
from handlers.admin import (
    activity,
    announcements,
    devices,
    files,
    greetings,
    groups,
    health,
    invitations,
    links,
    people,
    recent_log,
    reports,
    rooms,
    sessions,
    several,
)
from handlers.admin.given import COMMAND_LINE, acting, address
from xmpp.control import Refused
from xmpp.running.handling import Handled

if TYPE_CHECKING:
    from xmpp.routing.servers import Server

QUESTIONS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "list": people.listing,
        "search": people.search,
        "person": people.details,
        "devices": devices.listing,
        "unsuitable": people.unsuitable,
        "count": activity.count,
        "accounts": activity.accounts,
        "roster": activity.roster,
        "last-login": activity.last_login,
        "statistics": activity.statistics,
        "administrators": people.administrators,
        "greeting": greetings.show,
        "rooms": rooms.listing,
        "room": rooms.details,
        "sessions": sessions.listing,
        "links": links.listing,
        "reports": reports.listing,
        "report": reports.details,
        "files": files.listing,
        "files-usage": files.usage,
        "invitations": invitations.listing,
        "groups": groups.listing,
        "group": groups.members,
        "log": recent_log.entries,
        "health": health.health,
        "population": health.population,
    }
)
"""f(server, by, **arguments): what changes nothing. An administrator of one domain is told only of what is there."""

CHANGES: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "add": people.add,
        "import": people.import_accounts,
        "passwd": people.change_password,
        "revoke-device": devices.revoke,
        "role": people.set_role,
        "disable": people.disable,
        "enable": people.enable,
        "remove": people.remove,
        "restore": people.restore,
        "destroy-room": rooms.destroy,
        "end-session": sessions.end,
        "delete-file": files.delete,
        "remove-report": reports.remove,
        "invite": invitations.invite,
        "reset-link": invitations.reset_link,
        "revoke": invitations.revoke,
        "create-group": groups.create,
        "add-to-group": groups.add,
        "remove-from-group": groups.remove,
        "delete-group": groups.delete,
        "announce": announcements.announce,
        "several": several.do,
        "appoint": people.appoint,
        "greet": greetings.put,
        "remove-greeting": greetings.remove,
    }
)
"""f(server, by, **arguments): each logs what it has done, and who has asked for it. For an administrator of one domain
it changes only what is there."""

OF_THE_WHOLE_SERVER = frozenset({"log", "health"})
"""Those that are about all domains at once, and for administrators of all."""


def carry_out(server: "Server", command: str, *, by: str = COMMAND_LINE, **arguments: Any) -> Any:
    """Carry out a command for somebody, an administrator's account or the command line, and return its result once all
    is on the disk. Yields. Raises Refused."""
    try:
        with Handled():
            administrator = acting(server, by)
            if administrator.domain and command in OF_THE_WHOLE_SERVER:
                raise Refused("This is for administrators of the whole server.", "forbidden")
            result = {**QUESTIONS, **CHANGES}[command](server, administrator, **arguments)
            server.db.wait_for_own()
    except StorageError as error:
        raise Refused(f"This cannot be stored: {error}.", "resource-constraint") from error
    return result


def domain_of(text: str) -> str | None:
    """The domain of an account's address as somebody typed it; None if it is no such address."""
    try:
        return address(text).domain
    except Refused:
        return None
