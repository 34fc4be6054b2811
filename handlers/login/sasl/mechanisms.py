"""The SASL mechanisms, strongest first, and which of them a stream is offered."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache

from xmpp.data.errors import SASLFailure

PLUS = "-PLUS"


@dataclass(frozen=True)
class Mechanism:
    """A mechanism by its registered name; `hash` is None for PLAIN."""

    name: str
    hash: str | None

    @property
    def is_plus(self) -> bool:
        """True if it binds to the TLS channel."""
        return self.name.endswith(PLUS)

    @property
    def family(self) -> str:
        """Its name without -PLUS, as the configuration lists it."""
        return self.name.removesuffix(PLUS)


MECHANISMS = {
    mechanism.name: mechanism
    for mechanism in (
        Mechanism("SCRAM-SHA-512-PLUS", "sha-512"),
        Mechanism("SCRAM-SHA-256-PLUS", "sha-256"),
        Mechanism("SCRAM-SHA-1-PLUS", "sha-1"),
        Mechanism("SCRAM-SHA-512", "sha-512"),
        Mechanism("SCRAM-SHA-256", "sha-256"),
        Mechanism("SCRAM-SHA-1", "sha-1"),
        Mechanism("PLAIN", None),
    )
}
FAMILIES = tuple(name for name in MECHANISMS if not name.endswith(PLUS))


@dataclass(frozen=True)
class Circumstances:
    """What decides which mechanisms a stream is offered.

    `families`: those that the configuration allows. `is_secure`: TLS is on. `must_be_secure`: passwords are not to be
    sent without it. `bindings`: the channel bindings of the stream by type.
    """

    families: Collection[str]
    is_secure: bool
    must_be_secure: bool
    bindings: Mapping[str, bytes]

    def offered(self) -> tuple[Mechanism, ...]:
        """The mechanisms that a stream in these circumstances is offered."""
        return _offered(tuple(self.families), bool(self.bindings), self._allows_secrets)

    @property
    def offers_plus(self) -> bool:
        """True if one of the offered mechanisms binds to the channel."""
        return bool(self.bindings) and any(each.is_plus for each in self.offered())

    def chosen(self, name: str | None) -> Mechanism:
        """The mechanism of this name. Raises SASLFailure if it is not offered."""
        mechanism = MECHANISMS.get(name or "")
        if mechanism is None:
            raise SASLFailure("invalid-mechanism")
        if mechanism.family not in self.families:
            raise SASLFailure("mechanism-too-weak", f"{mechanism.family} is not allowed here")
        if mechanism not in self.offered():
            raise SASLFailure("invalid-mechanism" if self.is_secure else "encryption-required")
        return mechanism

    @property
    def _allows_secrets(self) -> bool:
        return self.is_secure or not self.must_be_secure


@lru_cache(maxsize=64)  # a few for each configuration that was loaded since the start
def _offered(families: tuple[str, ...], can_bind: bool, allows_secrets: bool) -> tuple[Mechanism, ...]:
    def suits(mechanism: Mechanism) -> bool:
        if mechanism.is_plus:
            return can_bind
        return mechanism.hash is not None or allows_secrets

    return tuple(each for each in MECHANISMS.values() if each.family in families and suits(each))
