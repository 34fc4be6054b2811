"""What somebody has chosen, a frozen dataclass of plain values, as the text that is kept of it, and back."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")


def to_text(chosen: "DataclassInstance") -> str:
    """The text: with all fields, so that what was chosen stays when defaults change."""
    return json.dumps(asdict(chosen), ensure_ascii=False)


def from_text(kind: type[T], text: str) -> T:
    """What such a text says; fields that it does not know of are as by default."""
    kept = {name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(text).items()}
    return kind(**kept)
