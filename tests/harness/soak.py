"""How long those tests go on that could go on for ever: for some seconds in `make test`, for long in `make soak`."""

import os

IS_SOAKING = bool(os.environ.get("SOAK"))


def rounds(short: int, long: int) -> int:
    """How many rounds it is this time."""
    return long if IS_SOAKING else short
