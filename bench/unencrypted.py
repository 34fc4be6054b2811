"""xserv, but its links to other servers are without TLS, to see what that costs: two of it would encrypt them anyhow.

python -m bench.unencrypted demo --config FILE
"""

from typing import Any

import xserv  # noqa: F401 - first: it lets gevent patch the standard library
from cli.commands import main

import assembly  # isort: skip
from xmpp.federation.federation import Federation


class WithoutTLS(Federation):
    """What a server has to do with others, made of all arguments but the last, which is its TLS."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments[:-1])


if __name__ == "__main__":
    setattr(assembly, "Federation", WithoutTLS)  # noqa: B010
    main(prog_name="xserv")
