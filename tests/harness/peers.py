"""Which other people's servers there are for tests."""

import shutil
from collections.abc import Mapping

import pytest

from tests.harness.ejabberd import Ejabberd
from tests.harness.peer import PROGRAMS, Peer
from tests.harness.prosody import Prosody

PEERS: Mapping[str, type[Peer]] = {"prosody": Prosody, "ejabberd": Ejabberd}


def needs(peer: str) -> pytest.MarkDecorator:
    """Skip where this peer is not installed."""
    programs = {"prosody": ["prosody"], "ejabberd": ["ejabberdctl", "erl"]}[peer]
    is_there = all(shutil.which(each, path=PROGRAMS) for each in programs)
    return pytest.mark.skipif(not is_there, reason=f"{peer} is not installed")
