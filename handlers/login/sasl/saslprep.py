"""SASLprep (RFC 4013), which prepares a password for salting.

Not OpaqueString (RFC 8265), its successor, which treats compatibility characters differently: in SCRAM it is the client
that salts, and clients prepare as RFC 5802 says.
"""

import stringprep
from unicodedata import ucd_3_2_0

MAX_CHARACTERS = 1023

_PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def saslprep(password: str) -> str:
    """The prepared password. Raises ValueError with what is wrong with it.

    Characters that Unicode 3.2 did not have (most emoji) pass unchanged, as in a "query" of RFC 4013: people use them.
    """
    if len(password) > MAX_CHARACTERS:
        raise ValueError(f"a password has at most {MAX_CHARACTERS} characters")
    prepared = ucd_3_2_0.normalize("NFKC", "".join(map(_mapped, password)))
    if len(prepared) > MAX_CHARACTERS:  # a single character may become eighteen, and each of them takes its time
        raise ValueError(f"a password has at most {MAX_CHARACTERS} characters, each counted as what it stands for")
    if not prepared:
        raise ValueError("the password is empty")
    if any(is_prohibited(character) for character in prepared for is_prohibited in _PROHIBITED):
        raise ValueError("a password may not contain control characters, or others that have no meaning of their own")
    _refuse_mixed_directions(prepared)
    return prepared


def _mapped(character: str) -> str:
    """RFC 4013 section 2.1."""
    if stringprep.in_table_c12(character):
        return " "
    return "" if stringprep.in_table_b1(character) else character


def _refuse_mixed_directions(text: str) -> None:
    """RFC 3454 section 6: text with a right-to-left character begins and ends with one, and has no left-to-right
    one."""
    if not any(map(stringprep.in_table_d1, text)):
        return
    is_enclosed = stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])
    if not is_enclosed or any(map(stringprep.in_table_d2, text)):
        raise ValueError("a password that is written from right to left may not contain anything written the other way")
