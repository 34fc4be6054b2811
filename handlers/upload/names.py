"""What clients call their files, and what is made of it: names that are nothing else, and types that do no harm."""

import re
import unicodedata

MAX_BYTES = 150  # of a name; percent-encoded that is three times as much
MAX_EXTENSION_BYTES = 30
MAX_TYPE_CHARACTERS = 100
UNNAMED = "file"
OCTETS = "application/octet-stream"
_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+")
# Format characters that turn the direction of what stands beside them: a name would end in another way than it seems.
TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
SHOWN = frozenset(
    {
        *(f"image/{each}" for each in ("apng", "avif", "bmp", "gif", "heic", "heif", "jpeg", "jxl", "png", "webp")),
        *(f"audio/{each}" for each in ("3gpp", "aac", "amr", "flac", "mp3", "mp4", "mpeg", "ogg", "opus", "wav", "webm",
                                       "x-m4a", "x-wav")),
        *(f"video/{each}" for each in ("3gpp", "mp4", "mpeg", "ogg", "quicktime", "webm", "x-m4v", "x-matroska")),
        "text/plain",
    }
)  # fmt: skip
"""The types that a browser may show: none of them can hold a script. HTML, SVG, XML and PDF can."""


def file_name(given: str) -> str:
    """A name that is one segment of a path, in at most MAX_BYTES; its end, which says what it is, stays."""
    name = "".join("_" if _is_unfit(each) else each for each in given).strip()
    if not name.strip("."):
        return UNNAMED
    stem, dot, extension = name.rpartition(".")
    if len(name.encode()) <= MAX_BYTES:
        return name
    if not stem or len(extension.encode()) > MAX_EXTENSION_BYTES:
        stem, dot, extension = name, "", ""
    return _cut(stem, MAX_BYTES - len((dot + extension).encode())) + dot + extension


def media_type(given: str | None) -> str:
    """The type without parameters, in lower case; "" if it is none."""
    found = (given or "").partition(";")[0].strip().lower()
    return found if len(found) <= MAX_TYPE_CHARACTERS and _TYPE.fullmatch(found) else ""


def _is_unfit(character: str) -> bool:
    return character in "/\\" or character in TURNING or unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")


def _cut(text: str, most: int) -> str:
    return text.encode()[:most].decode(errors="ignore")
