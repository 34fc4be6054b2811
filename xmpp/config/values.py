"""The values of a configuration: their types, their bounds, and how TOML writes them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin


@dataclass(frozen=True)
class Rule:
    """What a setting means, and which values it may have; made by `setting`."""

    comment: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[Any, ...] = ()
    check: Callable[[Any], object] | None = None
    restart: bool = False
    secret: bool = False
    at_most: tuple[str, ...] = ()
    by_domain: bool = False


_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", Path: "a path"}


_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Unsuitable(Exception):
    """The value is not of the setting's type, or not in its range."""


def suitable(value: Any, kind: Any, rule: Rule, folder: Path) -> Any:
    """The value, converted to the setting's type; relative paths are relative to the folder.

    Raises Unsuitable, or ValueError if the rule's own check refuses it.
    """
    converted = _converted(value, kind, folder)
    _check_bounds(converted, rule)
    _check_characters(converted)
    if rule.check and converted is not None:
        rule.check(converted)
    return converted


def expected(kind: Any, rule: Rule) -> str:
    """The suitable values, in words."""
    container, inner = get_origin(kind), get_args(kind)
    if NoneType in inner:
        return f'{expected(inner[0], rule)}, or ""'
    if is_dataclass(kind):
        return "a table"
    if container in (list, tuple):
        return f"a list, each item {expected(inner[0], rule)}"
    if container is dict:
        return f"a table, each value {expected(inner[1], rule)}"
    if rule.choices:
        return "one of " + ", ".join(map(in_toml, rule.choices))
    return _KINDS[kind] + _bounds(rule)


def in_toml(value: Any) -> str:
    """The value as TOML writes it; None as `""`."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{in_toml(key)} = {in_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(in_toml, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or isinstance(value, (str, Path)):
        return json.dumps(str(value or ""), ensure_ascii=False)
    return str(value)


def _converted(value: Any, kind: Any, folder: Path) -> Any:
    container, inner = get_origin(kind), get_args(kind)
    if NoneType in inner:
        return None if value in ("", None) else _converted(value, inner[0], folder)
    if container in (list, tuple) and isinstance(value, (list, tuple)):
        return container(_converted(item, inner[0], folder) for item in value)
    if container is dict and isinstance(value, dict):
        return {key: _converted(item, inner[1], folder) for key, item in value.items()}
    if kind is Path and isinstance(value, (str, Path)) and value != "":
        return folder / value
    if kind is float and type(value) is int:
        return float(value)
    if container is None and isinstance(value, kind) and isinstance(value, bool) == (kind is bool):
        return value
    raise Unsuitable


def _check_bounds(value: Any, rule: Rule) -> None:
    if value is None:
        return
    for item in value if isinstance(value, (list, tuple)) else (value,):
        too_small = rule.minimum is not None and not item >= rule.minimum
        too_large = rule.maximum is not None and not item <= rule.maximum
        if too_small or too_large or (rule.choices and item not in rule.choices):
            raise Unsuitable


def _check_characters(value: Any) -> None:
    """Raise ValueError for characters that XML does not have, since any text may be sent."""
    for item in value if isinstance(value, (list, tuple)) else (value,):
        if isinstance(item, str) and _NOT_IN_XML.search(item):
            raise ValueError("expected a text without control characters")


def _bounds(rule: Rule) -> str:
    if rule.minimum is None:
        return "" if rule.maximum is None else f" of at most {rule.maximum}"
    return f" of at least {rule.minimum}" if rule.maximum is None else f" from {rule.minimum} to {rule.maximum}"
