"""UTS #39 section 4: which names look like which. The table is Unicode's, and lies beside this file."""

import unicodedata
from functools import cache, lru_cache
from pathlib import Path

# Invisible, and let into a name beside the characters that they belong to: joiners, and how an emoji is drawn.
_INVISIBLE = dict.fromkeys((0x200C, 0x200D, 0xFE0E, 0xFE0F), "")


@lru_cache(maxsize=10_000)
def looks(name: str) -> frozenset[str]:
    """What a name looks like: two names that have one of these in common look alike to people.

    One is as it is written, the other as if no letter were a capital: I looks like l, and i is the same as I, but i
    does not look like l.
    """
    as_written, folded = skeleton(name).casefold(), name.casefold()
    return frozenset((as_written,) if folded == name else (as_written, skeleton(folded)))


def look(name: str) -> str:
    """The same for a name in which capitals count as small letters: two names look alike if this is the same."""
    return skeleton(name.casefold()).casefold()


def skeleton(name: str) -> str:
    """The name with each character in place of which others are taken for it: names with the same skeleton can be
    mistaken for each other. To be compared, and not shown.

    What is only another form of a character, such as a letter of full width, counts as that character, too, which the
    table says of some of them alone; and spaces count only between words.
    """
    table = _table()
    replaced = unicodedata.normalize("NFD", name).translate(table)
    if not replaced.isascii():
        replaced = unicodedata.normalize("NFD", unicodedata.normalize("NFKD", replaced).translate(table))
    return " ".join(replaced.split())


@cache
def _table() -> dict[int, str]:
    text = Path(__file__).with_name("confusables.txt").read_text(encoding="utf-8")
    lines = (line.split(";") for line in text.splitlines() if line and line[0] != "#")
    table = {int(character, 16): _text(prototype) for character, prototype in lines}
    itself = {number: chr(number) for number in range(128)}  # to be found is quicker than not to be
    return itself | table | _INVISIBLE


def _text(hexadecimal: str) -> str:
    if " " not in hexadecimal:  # most of them: this is done at once, while nothing else is
        return chr(int(hexadecimal, 16))
    return "".join(chr(int(each, 16)) for each in hexadecimal.split(" "))
