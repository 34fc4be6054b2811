"""Packaging of xserv: an application, to be installed in an environment of its own.

Where XSERV_COMPILE is set, the modules that pyproject.toml lists are compiled as well (docs/performance.md, "Compiled
modules"): with XSERV_COMPILE=1 if this machine can, with XSERV_COMPILE=required or not at all.
"""

import os
import re
import sys
import tomllib
from pathlib import Path
from shutil import rmtree
from typing import Any

from setuptools import find_packages, setup
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).parent
VERSION = re.search(r'^__version__ = "(.+)"$', (HERE / "xmpp" / "__init__.py").read_text(), re.MULTILINE)
assert VERSION is not None

# What a build of an earlier version has left there would be installed with this one.
for left in (HERE / "build").glob("lib*"):
    rmtree(left, ignore_errors=True)

WISH = os.environ.get("XSERV_COMPILE", "")
if WISH not in ("", "0", "1", "required"):
    sys.exit(f"XSERV_COMPILE is 1 or required, and not {WISH}.")
MYPY = ("--config-file=", "--ignore-missing-imports", "--cache-dir=build/mypyc")


def compiled_modules() -> list[Any]:
    """The extensions that the compiled modules are; none if that is not wished, or not possible here."""
    if WISH in ("", "0"):
        return []
    listed = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["xserv"]["compiled"]
    try:
        from mypyc.build import mypycify

        extensions: list[Any] = mypycify([*MYPY, *listed], opt_level="3", debug_level="0", group_name="xserv")
    except (Exception, SystemExit) as reason:  # which it raises where it finds mistakes
        not_compiled(reason)
        return []
    return extensions


def not_compiled(reason: BaseException) -> None:
    """Say so; or raise the reason, if it was required."""
    if WISH == "required":
        raise reason
    print(f"xserv is installed without compiled modules, and works without them: {reason}", file=sys.stderr)


class Compiling(build_ext):
    """Compiles all modules or none. Those of a folder that is worked in are left as they are: what was compiled there
    would stand for what is written there later."""

    def run(self) -> None:
        if self.inplace or self.editable_mode:
            self.extensions = []
            return
        try:
            super().run()
        except Exception as reason:
            for written in self.get_outputs():
                Path(written).unlink(missing_ok=True)
            self.extensions = []
            not_compiled(reason)


setup(
    name="xserv",
    version=VERSION[1],
    description="An XMPP server that starts with one command",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    py_modules=["assembly", "xserv"],
    packages=find_packages(include=["cli", "xmpp", "xmpp.*", "handlers", "handlers.*", "db", "db.*", "web", "web.*"]),
    package_data={
        "xmpp.data": ["confusables.txt"],
        "web.pages": ["*.css", "*.toml", "templates/*.html"],
        "web.admin": ["*.toml", "templates/*.html"],
        "web.demo": ["*.toml", "templates/*.html"],
        "web.client": ["*.js", "*.toml", "templates/*.html", "converse/*", "converse/**/*"],
    },
    ext_modules=compiled_modules(),
    cmdclass={"build_ext": Compiling},
    entry_points={"console_scripts": ["xserv = xserv:main"]},
    # Why each of these: docs/dependencies.md
    install_requires=[
        "certifi>=2024.7",
        "click>=8.1",
        "cryptography>=43",
        "dnspython>=2.7",
        "gevent>=24.11",
        "h11>=0.16",
        "idna>=3.7",
        "jinja2>=3.1",
        "lxml>=5.3",
        "peewee>=4.5",
        "precis-i18n>=1.1",
        "rich>=13",
        "segno>=1.6",
    ],
    extras_require={
        "bench": ["matplotlib"],
        "s3": ["boto3"],
        "test": [
            "aiohttp",
            "boto3",
            "boto3-stubs[s3]",
            "flask",
            "flask-cors",
            "hypothesis",
            "moto[s3]",
            "mypy",
            "playwright",
            "pytest",
            "pytest-timeout",
            "pytest-xdist",
            "ruff",
            "scramp",
            "shiv",
            "slixmpp",
            "types-gevent",
            "types-lxml",
        ],
    },
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Environment :: Console",
        "Intended Audience :: System Administrators",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3",
        "Topic :: Communications :: Chat",
    ],
)
