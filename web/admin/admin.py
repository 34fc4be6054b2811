"""The part with all its pages."""

from web.admin import announce, files, log, login, overview, people, rooms, sessions
from web.admin.area import part

PAGES = (announce, files, log, login, overview, people, rooms, sessions)
__all__ = ["PAGES", "part"]
