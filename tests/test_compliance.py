"""spec/compliance.toml says what is true: held against the files, the features, and what a running server announces."""

# mypy: disable-error-code="no-untyped-call"
# (scsrun.py is kept as it is elsewhere, without annotations)

import re
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from handlers.tables import FEATURES
from tests.harness import scsrun
from tests.harness.servers import ROOT, RunningServer

SPEC = ROOT / "spec"
ROWS: list[dict[str, Any]] = tomllib.loads((SPEC / "compliance.toml").read_text(encoding="utf-8"))["row"]
SCRIPTS = sorted(SPEC.glob("**/*.scs"))

TEXT = {"rfc", "section", "xep", "name", "version", "status", "missing", "handler"}
LISTS = {"scripts", "tests", "announces", "account_announces", "offers"}
CITATION = re.compile(r"RFC \d{4}|XEP-\d{4}")
DISCO_INFO = "http://jabber.org/protocol/disco#info"


def text_of(row: dict[str, Any]) -> str:
    """The text that a row is about, as scripts cite it."""
    return f"RFC {row['rfc']}" if "rfc" in row else f"XEP-{row['xep']}"


def title(row: dict[str, Any]) -> str:
    return f"{text_of(row)} {row.get('section', '')}".strip()


def scripts_of(row: dict[str, Any]) -> set[Path]:
    return {path for pattern in row.get("scripts", ()) for path in SPEC.glob(pattern)}


def all_of(field: str) -> list[str]:
    """What the rows have in a list, together."""
    return sorted(entry for row in ROWS for entry in row.get(field, ()))


each_row = pytest.mark.parametrize("row", ROWS, ids=title)


# -- the table itself


def test_every_text_has_one_row() -> None:
    titles = [title(row) for row in ROWS]
    assert len(set(titles)) == len(titles)


@each_row
def test_a_row_is_well_formed(row: dict[str, Any]) -> None:
    assert row.keys() <= TEXT | LISTS
    assert ("xep" in row) != ("rfc" in row)
    assert ("version" in row) == ("xep" in row)
    assert row["status"] in ("complete", "partial")
    assert ("missing" in row) == (row["status"] == "partial")
    assert row.get("scripts") or row.get("tests"), "nothing shows that this works"


@each_row
def test_what_a_row_names_exists(row: dict[str, Any]) -> None:
    assert (ROOT / row["handler"]).is_file()
    assert [name for name in row.get("tests", ()) if not (ROOT / name).is_file()] == []
    assert [pattern for pattern in row.get("scripts", ()) if not list(SPEC.glob(pattern))] == []


# -- the dialogues


def test_a_dialogue_is_in_a_row_of_each_text_that_it_cites() -> None:
    named = {(text_of(row), script) for row in ROWS for script in scripts_of(row)}
    cited = {(text, script) for script in SCRIPTS for text in texts_cited_by(script)}
    assert sorted(cited - named) == []


def test_every_dialogue_cites_a_text_and_says_in_its_title_what_it_tells() -> None:
    assert [script for script in SCRIPTS if not texts_cited_by(script)] == []
    assert [script for script in SCRIPTS if len(parsed(script).title.split()) < 3] == []


def test_no_dialogue_holds_anything_that_the_runner_would_ignore() -> None:
    assert [(script, parsed(script).warnings) for script in SCRIPTS if parsed(script).warnings] == []


def texts_cited_by(script: Path) -> set[str]:
    """What stands in the lines that begin with "##"."""
    return {citation for tag in parsed(script).tags for citation in CITATION.findall(tag)}


@cache
def parsed(script: Path) -> Any:
    return scsrun.parse_script(script.read_text(encoding="utf-8"), str(script))


# -- the features


PROTOCOLS = [feature for feature in FEATURES if feature.xep or feature.rfc]  # the others are the server's own business


@pytest.mark.parametrize("feature", PROTOCOLS, ids=lambda feature: feature.name)
def test_every_feature_that_is_a_protocol_has_a_row(feature: Any) -> None:
    text = f"XEP-{feature.xep}" if feature.xep else f"RFC {feature.rfc}"
    endings = (f"/{feature.name}.py", f"/{feature.name}/__init__.py")
    assert [title(row) for row in ROWS if text_of(row) == text and row["handler"].endswith(endings)]


def test_every_row_whose_xep_a_handler_serves_has_a_feature() -> None:
    """A handler may serve two XEPs under one name, so its file has to be that of a feature, or of a part of one."""
    served = {f"XEP-{feature.xep}" for feature in FEATURES}
    folders = tuple(f"/{feature.name}/" for feature in FEATURES)
    announcing = [row for row in ROWS if row.get("announces") or row.get("account_announces")]
    strangers = [row for row in announcing if text_of(row) not in served and not within(row["handler"], folders)]
    assert [title(row) for row in strangers] == []


def within(file: str, folders: Iterable[str]) -> bool:
    return any(folder in file for folder in folders)


# -- what a running server announces


class Curious(scsrun.Connection):
    """A client that takes down what stands in the stream features, each time it opens a stream."""

    def __init__(self, *arguments: object) -> None:
        self.offered: set[str] = set()
        super().__init__(*arguments)

    def open(self) -> Any:
        features = super().open()
        self.offered |= {f"{{{element.ns}}}{element.name}" for element in features.elements}
        return features

    def asks_for_features(self, to: str) -> list[str]:
        """What an address announces (XEP-0030)."""
        self.send(f"<iq type='get' id='info' to='{to}'><query xmlns='{DISCO_INFO}'/></iq>")
        answer = self.next(self.opts.timeout)
        return sorted(feature.attrs["var"] for feature in answer.elements[0].elements if feature.name == "feature")


@pytest.fixture(scope="module")
def portia(demo: RunningServer) -> Iterable[Curious]:
    """A client with an account of its own, logged in over STARTTLS."""
    options = scsrun.arguments(["--port", str(demo.port), "--tls", "starttls", "--register", "-"])
    runner = scsrun.Runner(options)
    runner.prepare(scsrun.Script("-", characters={"Portia": scsrun.Character("Portia", 0, "portia@localhost", "lead")}))
    client = Curious(options, "Portia", "localhost")
    client.login("portia", "lead", None)
    yield client
    client.close()
    runner.unregister()


def test_the_domain_announces_what_the_table_says(portia: Curious) -> None:
    assert portia.asks_for_features("localhost") == all_of("announces")


def test_an_account_announces_what_the_table_says(portia: Curious) -> None:
    assert portia.asks_for_features("portia@localhost") == all_of("account_announces")


def test_the_stream_offers_what_the_table_says(portia: Curious) -> None:
    assert sorted(portia.offered) == all_of("offers")
