"""What is compared in constant time, so that tests can say that a secret is (docs/security.md row 10)."""

import hmac

import pytest


def noted_comparisons(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bytes, bytes]]:
    """A list of both sides of everything that `hmac.compare_digest` compares from now on, which works as before."""
    compared = list[tuple[bytes, bytes]]()
    compare_digest = hmac.compare_digest

    def compare_and_note(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return compare_digest(one, other)

    monkeypatch.setattr(hmac, "compare_digest", compare_and_note)
    return compared
