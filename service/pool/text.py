"""What makes two texts the same, and what decides an example's role."""

import hashlib
import re
import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_NOT_WORD = re.compile(r"[\W_]+")
_NUMBER = re.compile(r"\d+")
ROLE_BITS = 63
PIECE = 1_024
"""So many texts are looked at together: what is computed of them stays in the processor's cache."""


def digest(text: str) -> bytes:
    """16 bytes that are equal for texts that differ in Unicode form and white space alone."""
    normal = " ".join(unicodedata.normalize("NFC", text).split())
    return hashlib.blake2b(normal.encode(), digest_size=16).digest()


def role_key(text: str) -> int:
    """63 bits that are equal for near-identical texts too: case, punctuation and the value of numbers are left out.

    A text of nothing but those keeps them, lest all such texts share one key.
    """
    return int.from_bytes(hashlib.blake2b(_words(text), digest_size=8).digest()) >> (64 - ROLE_BITS)


def digests(texts: Sequence[str]) -> list[bytes]:
    """The `digest` of each text, in half the time where they are ASCII."""
    together = iter([hashlib.blake2b(one, digest_size=16).digest() for one in _normal(texts, _SPACED, b" ")])
    return [next(together) if _plain(text) else digest(text) for text in texts]


def role_keys(texts: Sequence[str]) -> list[int]:
    """The `role_key` of each text, in a fifth of the time where they are ASCII."""
    hashed = b"".join([hashlib.blake2b(one, digest_size=8).digest() for one in words(texts)])
    keys: list[int] = (np.frombuffer(hashed, ">u8") >> np.uint64(64 - ROLE_BITS)).tolist()
    return keys


def words(texts: Sequence[str]) -> list[bytes]:
    """The words of each text, in UTF-8 with single spaces between: without case, punctuation and values of numbers."""
    together = iter(_normal(texts, _WORDS, b" 0"))
    return [(next(together) or text.lower().encode()) if _plain(text) else _words(text) for text in texts]


def _plain(text: str) -> bool:
    return text.isascii() and "\0" not in text


def _words(text: str) -> bytes:
    normal = unicodedata.normalize("NFKC", text).casefold()
    return (_NUMBER.sub("0", _NOT_WORD.sub(" ", normal)).strip() or normal).encode()


_SPACED = bytes(ord(" ") if chr(code).isspace() else code for code in range(128)) + bytes(128)
_WORDS = bytes(
    ord("0")
    if chr(code).isdigit()
    else ord(chr(code).lower())
    if chr(code).isalpha() or not code
    else ord(" ")
    for code in range(128)
) + bytes(128)


def _normal(texts: Sequence[str], table: bytes, single: bytes) -> list[bytes]:
    """Of the plain ones: characters by `table`, one of each run of a character in `single`, no spaces at the ends."""
    plain = [text for text in texts if _plain(text)]
    found: list[bytes] = []
    for start in range(0, len(plain), PIECE):
        # A NUL between texts, and at both ends of all.
        joined = "\0".join(["", *plain[start : start + PIECE], ""]).encode().translate(table)
        codes = np.frombuffer(joined, np.uint8)
        here, after = codes[:-1], codes[1:]
        left_out = (here == ord(" ")) & (after == 0)
        for character in single:
            left_out |= (here == character) & (after == character)
        if left_out.any():
            here = here[~left_out]
        leading = (here[:-1] == 0) & (here[1:] == ord(" "))
        if leading.any():
            here = np.delete(here, leading.nonzero()[0] + 1)
        found += here.tobytes().split(b"\0")[1:]
    return found


def draws(role_keys: NDArray[np.int64] | Sequence[int], seed: int) -> NDArray[np.float64]:
    """One uniform number in [0, 1) for each key, by the campaign's seed (SplitMix64's finaliser).

    Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators".
    """
    z = np.asarray(role_keys, dtype=np.uint64) + np.uint64((0x9E3779B97F4A7C15 * (seed + 1)) % 2**64)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)).astype(np.float64) * 2.0**-53
