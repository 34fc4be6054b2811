"""What the HTTP side of this server serves: the only list of its parts. The order does not matter."""

from web.pages import stylesheet
from web.part import Part

PARTS: tuple[Part, ...] = (
    stylesheet.part,
)  # fmt: skip
