"""What somebody meant who wrote a name in the configuration that there is not."""

import difflib
import re
from collections.abc import Collection, Mapping

CLOSE = 0.6
LEAST_BEGINNING = 4  # characters


def guess(name: str, known: Mapping[str, str], elsewhere: Collection[str] = ()) -> str:
    """The end of the sentence that says that there is no such name.

    `known`: what may stand there, with what it means; `elsewhere`: the sections that have a setting of this name.
    """
    likeness = {each: _likeness(name, each, meaning) for each, meaning in known.items()}
    best = max(likeness, key=likeness.__getitem__, default="")
    if best and likeness[best] >= CLOSE:
        return f", did you mean {best}?"
    if len(elsewhere) == 1:
        return f", did you mean that of [{next(iter(elsewhere))}]?"
    return f"; expected one of {', '.join(known)}." if known else "."


def _likeness(name: str, known: str, meaning: str) -> float:
    """From 0 to 1: how much is the same, from the first letter on or anywhere; or that all that it names is named."""
    spelled = difflib.SequenceMatcher(None, name, known).ratio()
    return max(spelled, _beginning(name, known), _words(name, known, meaning))


def _beginning(name: str, known: str) -> float:
    same = next((n for n, (a, b) in enumerate(zip(name, known, strict=False)) if a != b), min(len(name), len(known)))
    return same / len(name) if same >= LEAST_BEGINNING else 0


def _words(name: str, known: str, meaning: str) -> float:
    """What has all words of the name, as its own or, such as STARTTLS, as terms in what it means; the fewer of the
    latter, and the fewer others, the likelier."""
    words, own = {*name.lower().split("_")}, {*known.split("_")}
    terms = {each.lower() for each in re.findall("[A-Z]{3,}", meaning)}
    return 0.95 - 0.01 * len(own - words) - 0.03 * len(words - own) if words <= own | terms else 0
