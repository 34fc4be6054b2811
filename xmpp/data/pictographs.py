"""Emoji in resourceparts (RFC 7622 section 3.4), which PRECIS alone does not let in as people write them (UTS #51).

OpaqueString (RFC 8265 section 4.2) allows symbols, but only those in Python's Unicode tables, which are years older
than what phones offer; and it refuses invisible characters, also between and after emoji.
"""

import re

# Extended_Pictographic: emoji, and code points that are reserved for future ones. These will be symbols, and will have
# no other form for normalisation; so what is accepted and equal today stays so with every newer table.
_PICTOGRAPH = (
    "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u2199\u21a9\u21aa\u231a\u231b\u2328\u2388\u23cf\u23e9-\u23f3"
    "\u23f8-\u23fa\u24c2\u25aa\u25ab\u25b6\u25c0\u25fb-\u25fe\u2600-\u2605\u2607-\u2612\u2614-\u2685\u2690-\u2705"
    "\u2708-\u2712\u2714\u2716\u271d\u2721\u2728\u2733\u2734\u2744\u2747\u274c\u274e\u2753-\u2755\u2757\u2763-\u2767"
    "\u2795-\u2797\u27a1\u27b0\u27bf\u2934\u2935\u2b05-\u2b07\u2b1b\u2b1c\u2b50\u2b55\u3030\u303d\u3297\u3299"
    "\U0001f000-\U0001f0ff\U0001f10d-\U0001f10f\U0001f12f\U0001f16c-\U0001f171\U0001f17e\U0001f17f\U0001f18e"
    "\U0001f191-\U0001f19a\U0001f1ad-\U0001f1e5\U0001f201-\U0001f20f\U0001f21a\U0001f22f\U0001f232-\U0001f23a"
    "\U0001f23c-\U0001f23f\U0001f249-\U0001f3fa\U0001f400-\U0001f53d\U0001f546-\U0001f64f\U0001f680-\U0001f6ff"
    "\U0001f774-\U0001f77f\U0001f7d5-\U0001f7ff\U0001f80c-\U0001f80f\U0001f848-\U0001f84f\U0001f85a-\U0001f85f"
    "\U0001f888-\U0001f88f\U0001f8ae-\U0001f8ff\U0001f90c-\U0001f93a\U0001f93c-\U0001f945\U0001f947-\U0001faff"
    "\U0001fc00-\U0001fffd"
)
_SKIN = "\U0001f3fb-\U0001f3ff"
_SUBDIVISIONS = ("gbeng", "gbsct", "gbwls")  # any other would look like a black flag, with something hidden in it


def _tagged(text: str) -> str:
    """Letters as the invisible tags that follow a flag, and the tag that ends them."""
    return "".join(chr(0xE0000 + ord(letter)) for letter in text) + "\U000e007f"


_ONE = f"(?:\U0001f3f4(?:{'|'.join(map(_tagged, _SUBDIVISIONS))})|[{_PICTOGRAPH}][{_SKIN}]?)"
_JOINED = re.compile(f"{_ONE}(?:\u200d{_ONE})*")
# How a symbol is drawn, as text or in colour; and of a keycap, that it is one
_VARIATION = re.compile(f"(?<=[{_PICTOGRAPH}])[\ufe0e\ufe0f]|(?<=[#*0-9])\ufe0f(?=\u20e3)")
_SYMBOL = "\u263a"  # known to every table


def without_variations(text: str) -> str:
    """The text without variation selectors, which say how an emoji is drawn: two addresses must not differ in them
    alone, since people could not tell (RFC 3454 table B.1 removes them, too)."""
    return _VARIATION.sub("", text)


def replaced(text: str) -> str:
    """The text with a plain symbol for each emoji or joined emoji, for rules that do not know emoji."""
    return _JOINED.sub(_SYMBOL, text)
