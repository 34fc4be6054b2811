"""XEP-0133 sections 4.13 to 4.29: commands about the accounts of a domain together: how many there are, which they are,
and what they are told."""

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

from handlers.commands.administration import ADMIN, carry_out, is_administrator
from handlers.commands.command import Asked, Command
from xmpp.data import dataforms
from xmpp.data.commands import Answers, Done
from xmpp.data.dataforms import Field
from xmpp.routing.feature import SERVER

CHOICES = ("25", "50", "75", "100", "150", "200", "none")
MOST = 1_000
"""Accounts in one answer, also where somebody asks for all."""
MOST_BYTES = 100_000
"""Of their addresses."""
MAX_ITEMS = Field("max_items", "list-single", "How many to show", ("25",), options={each: each for each in CHOICES})
TEXT = Field("announcement", "text-multi", "What is said", required=True)


# -- how many, and which


def _count(kind: str) -> Callable[[Asked, Answers], Done]:
    def act(asked: Asked, answers: Answers) -> Done:
        number = carry_out(asked, "count", kind=kind, domain=asked.at)
        field = Field(f"{kind}usersnum", label=f"How many {kind} users", values=(str(number),))
        return Done(dataforms.answer(ADMIN, field))

    return act


def _list(kind: str, var: str) -> Callable[[Asked, Answers], Done]:
    def act(asked: Asked, answers: Answers) -> Done:
        [wanted] = answers.get(MAX_ITEMS.var) or MAX_ITEMS.values
        most = MOST if wanted == "none" else int(wanted)
        found = _that_fit(carry_out(asked, "accounts", kind=kind, domain=asked.at, most=most + 1)[:most])
        there_are = carry_out(asked, "count", kind=kind, domain=asked.at)
        note = f"These are the first {len(found)} of {there_are}." if there_are > len(found) else ""
        return Done(dataforms.answer(ADMIN, Field(var, "jid-multi", f"The {kind} users", found)), note)

    return act


def _that_fit(addresses: Sequence[str]) -> Sequence[str]:
    sizes = accumulate(len(each.encode()) for each in addresses)
    return addresses[: sum(1 for size in sizes if size <= MOST_BYTES)]


# -- what they are told


def _announce(online_only: bool) -> Callable[[Asked, Answers], None]:
    def act(asked: Asked, answers: Answers) -> None:
        text = "\n".join(answers[TEXT.var])
        carry_out(asked, "announce", text=text, online_only=online_only, domain=asked.at, wait=False)

    return act


def _greeting(kind: str, label: str, is_empty: bool = False) -> Callable[[Asked], tuple[Field, ...]]:
    """The form for what is said, with what is said now."""

    def fields(asked: Asked) -> tuple[Field, ...]:
        now = [] if is_empty else [text for _, text in carry_out(asked, "greeting", kind=kind, domain=asked.at)]
        lines = [line for text in now for line in text.split("\n")]
        return (Field(kind, "text-multi", label, lines, required=True),)

    return fields


def _greet(kind: str, **more: Any) -> Callable[[Asked, Answers], None]:
    def act(asked: Asked, answers: Answers) -> None:
        carry_out(asked, "greet", kind=kind, text="\n".join(answers[kind]), domain=asked.at, **more)

    return act


def _remove_greeting(kind: str) -> Callable[[Asked, Answers], None]:
    def act(asked: Asked, answers: Answers) -> None:
        carry_out(asked, "remove-greeting", kind=kind, domain=asked.at)

    return act


def _command(
    node: str,
    name: str,
    act: Callable[[Asked, Answers], Done | None],
    fields: Callable[[Asked], tuple[Field, ...]] | None = None,
    instructions: str = "Fill in this form.",
) -> Command:
    return Command(f"{ADMIN}#{node}", name, (SERVER,), is_administrator, act, fields, ADMIN, instructions)


def _how_many(asked: Asked) -> tuple[Field, ...]:
    return (MAX_ITEMS,)


def _text(asked: Asked) -> tuple[Field, ...]:
    return (TEXT,)


COMMANDS = (
    *(
        _command(f"get-{kind}-users-num", f"Get the number of {kind} users", _count(kind))
        for kind in ("registered", "disabled", "online", "active", "idle")
    ),
    *(
        _command(node, f"Get the list of {kind} users", _list(kind, var), _how_many)
        for kind, node, var in (
            ("registered", "get-registered-users-list", "registereduserjids"),
            ("disabled", "get-disabled-users-list", "disableduserjids"),
            ("online", "get-online-users-list", "onlineuserjids"),
            ("active", "get-active-users", "activeuserjids"),
            ("idle", "get-idle-users", "activeuserjids"),  # so says section 4.22
        )
    ),
    _command("announce", "Send an announcement to those online", _announce(online_only=True), _text),
    # Not in XEP-0133; the node is the one that ejabberd has.
    _command("announce-all", "Send an announcement to everybody", _announce(online_only=False), _text,
             "Who is away gets it later."),
    _command("set-motd", "Set the message of the day", _greet("motd"), _greeting("motd", "The message", is_empty=True),
             "Each account is told it once: now, or when it comes online."),
    _command("edit-motd", "Edit the message of the day", _greet("motd", is_mended=True),
             _greeting("motd", "The message"), "Who was told it already is not told again."),
    _command("delete-motd", "Delete the message of the day", _remove_greeting("motd")),
    _command("set-welcome", "Set the welcome message", _greet("welcome"), _greeting("welcome", "The welcome"),
             "It is told to new accounts when they come online for the first time."),
    _command("delete-welcome", "Delete the welcome message", _remove_greeting("welcome")),
)  # fmt: skip
