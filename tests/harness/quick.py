"""`make quick`: the tests that are about what has been changed, by the names of the files.

Of handlers/messages/carbons.py these are tests/test_carbons*.py and the dialogues in spec/carbons/; beside them those
of the house as a whole. What else a change breaks is for `make test` to say.
"""

import subprocess
import sys
from pathlib import Path, PurePath

ROOT = Path(__file__).resolve().parents[2]
ALWAYS = ("layers", "features", "compliance")
FEATURES_OF_SEVERAL_FILES = ("archive", "bookmarks", "pubsub", "push", "sasl")


def changed_files() -> list[PurePath]:
    """What differs from the last commit, new files too; what that one has changed, if nothing does."""
    files = [*_git("diff", "--name-only", "HEAD"), *_git("ls-files", "--others", "--exclude-standard")]
    return files or _git("diff", "--name-only", "HEAD~1")


def words(files: list[PurePath]) -> list[str]:
    """What the tests of these files have in their names."""
    found = {_word(file) for file in files if file.suffix in (".py", ".scs")}
    return sorted(found.union(ALWAYS))


def _word(file: PurePath) -> str:
    if file.parts[0] == "spec" and len(file.parts) > 2:
        return file.parts[1]
    if file.parts[0] == "handlers" and file.parts[-2] in FEATURES_OF_SEVERAL_FILES:
        return file.parts[-2]
    return file.stem.removeprefix("test_")


def _git(*arguments: str) -> list[PurePath]:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return [PurePath(line) for line in done.stdout.splitlines()]


if __name__ == "__main__":
    chosen = " or ".join(words(changed_files()))
    print(f"The tests about: {chosen}", flush=True)
    command = [sys.executable, "-m", "pytest", "-q", "-n", "auto", "--dist", "loadfile", "-k", chosen, *sys.argv[1:]]
    sys.exit(subprocess.run(command, cwd=ROOT, check=False).returncode)
