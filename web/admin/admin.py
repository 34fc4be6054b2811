"""The part with all its pages."""

from web.admin import announce, files, groups, invitations, log, login, overview, people, rooms, sessions
from web.admin.area import part

PAGES = (announce, files, groups, invitations, log, login, overview, people, rooms, sessions)
__all__ = ["PAGES", "part"]
