"""What the HTTP side of this server serves: the only list of its parts. The order does not matter."""

from web import files, front, host_meta, metrics
from web.admin import admin
from web.bosh import endpoint as bosh
from web.client import page
from web.pages import invitations, register, resets, start, stylesheet
from web.part import Part
from web.websocket import handshake

PARTS: tuple[Part, ...] = (
    admin.part,
    bosh.part,
    front.part,
    files.part,
    host_meta.part,
    invitations.part,
    metrics.part,
    page.part,
    register.part,
    resets.part,
    start.part,
    stylesheet.part,
    handshake.part,
)  # fmt: skip
