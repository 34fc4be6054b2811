"""The texts of pages: all that templates say stands in texts.toml, and all that stands there is said."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.harness.servers import ROOT
from web.pages.rendering import COMMON, texts_in

FOLDERS = sorted(path.parent.name for path in (ROOT / "web").glob("*/texts.toml"))
QUOTED = re.compile(r"""["'](\w+\.\w+)["']""")
WORDS = re.compile(r"[A-Za-z]{2,}")


def sources(folder: str) -> dict[str, str]:
    """The templates of a folder of web/, and its code, which names texts as well."""
    paths = [*(ROOT / "web" / folder).rglob("*.html"), *(ROOT / "web" / folder).rglob("*.py")]
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in sorted(paths)}


def templates(folder: str) -> dict[str, str]:
    return {path: source for path, source in sources(folder).items() if path.endswith(".html")}


def named(folder: str) -> set[str]:
    """The keys that are written there: what stands in quotes and begins like the keys of texts do."""
    sections = {key.partition(".")[0] for each in FOLDERS for key in texts_in(each)}
    quoted = {key for source in sources(folder).values() for key in QUOTED.findall(source)}
    return {key for key in quoted if key.partition(".")[0] in sections}


def without_markup(template: str) -> str:
    return re.sub(r"(?s)\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}|<[^>]*>|&\w+;", " ", template)


def test_there_are_texts() -> None:
    assert COMMON in FOLDERS


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_text_that_is_named_exists(folder: str) -> None:
    known = {**texts_in(COMMON), **texts_in(folder)}
    assert named(folder)
    assert sorted(key for key in named(folder) if key not in known) == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_text_that_exists_is_used(folder: str) -> None:
    used = set().union(*map(named, FOLDERS)) if folder == COMMON else named(folder)
    assert sorted(key for key in texts_in(folder) if key not in used) == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_templates_say_nothing_that_is_not_in_the_file_of_texts(folder: str) -> None:
    assert templates(folder)
    assert {
        path: found for path, text in templates(folder).items() if (found := WORDS.findall(without_markup(text)))
    } == {}


@pytest.mark.parametrize("folder", FOLDERS)
def test_templates_have_no_script_and_no_style_of_their_own_and_leave_nothing_unescaped(folder: str) -> None:
    script = r'<script(?! type="module" src=)|javascript:|\son\w+='
    own = re.compile(rf"{script}|<style|\sstyle=|\|\s*safe|autoescape", re.IGNORECASE)
    assert {path: found for path, text in templates(folder).items() if (found := own.findall(text))} == {}


# -- the files that pages are made of


def test_everything_that_is_not_code_is_part_of_the_package() -> None:
    """setup.py says what is installed, and so what is in the one-file build."""
    [call] = [
        node
        for node in ast.walk(ast.parse((ROOT / "setup.py").read_text(encoding="utf-8")))
        if isinstance(node, ast.keyword) and node.arg == "package_data"
    ]
    patterns = ast.literal_eval(call.value)
    for folder in FOLDERS:
        package = ROOT / "web" / folder
        files = {path for path in package.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
        packed = {path for pattern in patterns[f"web.{folder}"] for path in package.glob(pattern) if path.is_file()}
        assert files == packed != set()


def test_pages_are_made_of_files_in_an_archive_as_well(tmp_path: Path) -> None:
    archive = tmp_path / "web.zip"
    with ZipFile(archive, "w") as packed:
        for path in (ROOT / "web").rglob("*"):
            packed.write(path, path.relative_to(ROOT))
    script = (
        f"import sys; sys.path.insert(0, {str(archive)!r})\n"
        "from web.pages import rendering, start, stylesheet\n"
        f"assert rendering.__file__.startswith({str(archive)!r})\n"
        "values = {'chat': None, 'is_open': False, 'contacts': {}, 'own_pages': [], 'service': 'The',\n"
        "          'path': '/contact', 'root': '', 'stylesheet': stylesheet.Stylesheet().name}\n"
        "assert start.Start().systems\n"
        "print(rendering.Templates().filled('pages/contact.html', values))\n"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "<h1>Contact</h1>" in done.stdout
