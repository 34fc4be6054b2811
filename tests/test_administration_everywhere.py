"""What administrators do, on the page, on the command line and by commands in their clients: the same everywhere, but
for what is named here with its reason."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from handlers.admin.administration import CHANGES, OF_THE_WHOLE_SERVER, QUESTIONS
from tests.harness.servers import ROOT
from web.admin import people

ONLY_ON_THE_PAGE: Mapping[str, str] = {
    "search": "a page shows some accounts; `xserv user list` prints all, for grep",
    "room": "before a room is destroyed, the page shows what is in it",
    "log": "on the machine there is the log itself",
    "health": "on the machine there are systemd and the figures for Prometheus",
    "population": "the first page; a list on the command line has a line for each",
}
ONLY_ON_THE_COMMAND_LINE: Mapping[str, str] = {
    "list": "all accounts at once, where the page has `search`",
    "unsuitable": "what an import would be refused for, before anything of it is done",
    "import": "many accounts from a file; the page makes one at a time (`add`)",
    "roster": "whom somebody talks to is shown to who asks for it, not beside all else of an account",
    "last-login": "the page has it in `person`",
    "statistics": "the page has it in `sessions`",
    "links": "who looks after the machine looks for what is wrong with other servers",
    "reports": "so far they are for who looks after the machine",
    "report": "as `reports`",
    "remove-report": "as `reports`",
    "greet": "clients have it as commands (XEP-0133), in a form for many lines",
    "greeting": "as `greet`",
    "remove-greeting": "as `greet`",
}
ONLY_BY_COMMANDS: Mapping[str, str] = {
    "count": "XEP-0133 asks for numbers of accounts by kind",
    "accounts": "XEP-0133 asks for lists of accounts by kind",
    "several": "XEP-0133 does the same to several accounts at a time",
    "administrators": "XEP-0133 edits the list of them as a whole; elsewhere each account has its `role`",
    "appoint": "as `administrators`",
}


def commands_in(folder: str) -> set[str]:
    """The commands that the modules of a folder carry out, as their source names them."""
    found = {name for file in sorted((ROOT / folder).glob("*.py")) for name in _carried_out(file)}
    assert found, folder
    return found


def _carried_out(file: Path) -> Iterator[str]:
    for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(call, ast.Call) and "carry_out" in (_last(call.func), *map(_last, call.args)):
            given = [each.value for each in call.args if isinstance(each, ast.Constant)]
            yield from (each for each in given if isinstance(each, str))


def _last(name: ast.expr) -> str:
    """`carry_out` of `carry_out` and of `visit.carry_out`."""
    return name.attr if isinstance(name, ast.Attribute) else name.id if isinstance(name, ast.Name) else ""


ON_THE_PAGE = commands_in("web/admin") | {action.command for action in people.ACTIONS.values()}
ON_THE_COMMAND_LINE = commands_in("cli")
BY_COMMANDS = commands_in("handlers/commands")


def test_what_only_the_page_or_the_command_line_does_has_a_reason() -> None:
    assert sorted(ON_THE_PAGE - ON_THE_COMMAND_LINE) == sorted(ONLY_ON_THE_PAGE)
    assert sorted(ON_THE_COMMAND_LINE - ON_THE_PAGE) == sorted(ONLY_ON_THE_COMMAND_LINE)


def test_nothing_is_done_that_nobody_asks_for_and_nothing_asked_for_that_cannot_be_done() -> None:
    assert sorted(BY_COMMANDS - ON_THE_PAGE - ON_THE_COMMAND_LINE) == sorted(ONLY_BY_COMMANDS)
    assert sorted(ON_THE_PAGE | ON_THE_COMMAND_LINE | BY_COMMANDS) == sorted([*QUESTIONS, *CHANGES])
    assert {*QUESTIONS, *CHANGES} >= OF_THE_WHOLE_SERVER
