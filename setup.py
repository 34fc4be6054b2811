"""Packaging of xserv: an application, to be installed in an environment of its own."""

import re
from pathlib import Path
from shutil import rmtree

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'^__version__ = "(.+)"$', (HERE / "xmpp" / "__init__.py").read_text(), re.MULTILINE)
assert VERSION is not None

# What a build of an earlier version has left there would be installed with this one.
rmtree(HERE / "build" / "lib", ignore_errors=True)

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
