"""The settings of logging in."""

from dataclasses import dataclass

from handlers.login.sasl.mechanisms import FAMILIES
from xmpp.config.configuration import setting

FEWEST_ITERATIONS = 4096  # RFC 7677 section 4
MOST_ITERATIONS = 10_000_000


def _check_mechanisms(mechanisms: tuple[str, ...]) -> None:
    if not mechanisms:
        raise ValueError("expected at least one mechanism, or nobody could log in")
    if len(set(mechanisms)) < len(mechanisms):
        raise ValueError("expected each mechanism once")


@dataclass(frozen=True)
class SASLSettings:
    """Logging in."""

    mechanisms: tuple[str, ...] = setting(
        FAMILIES,
        "What clients may log in with. Each SCRAM has its channel-binding form -PLUS with it.",
        choices=FAMILIES,
        check=_check_mechanisms,
    )
    channel_binding: bool = setting(
        True,
        "Whether the forms -PLUS are offered, by which a client finds out that somebody sits in between with a "
        "certificate of his own. Some old clients cannot log in where they are.",
    )
    iterations: int = setting(
        10_000,
        "How much work it is to try one password. Accounts keep the number that was set when they got theirs, so set "
        "it before there are any: accounts with another number than this one can be told from those that do not exist.",
        minimum=FEWEST_ITERATIONS,
        maximum=MOST_ITERATIONS,
    )
    tries: int = setting(3, "How many failed attempts to log in end a connection.", minimum=2, maximum=5)
    max_delay_seconds: float = setting(
        8.0,
        "How long an answer may be delayed after failed attempts from the same network or for the same account. "
        "0: not at all.",
        minimum=0,
        maximum=60,
    )
