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


def digest(text: str) -> bytes:
    """16 bytes that are equal for texts that differ in Unicode form and white space alone."""
    normal = " ".join(unicodedata.normalize("NFC", text).split())
    return hashlib.blake2b(normal.encode(), digest_size=16).digest()


def role_key(text: str) -> int:
    """63 bits that are equal for near-identical texts too: case, punctuation and the value of numbers are left out.

    A text of nothing but those keeps them, lest all such texts share one key.
    """
    normal = unicodedata.normalize("NFKC", text).casefold()
    words = _NUMBER.sub("0", _NOT_WORD.sub(" ", normal)).strip() or normal
    return int.from_bytes(hashlib.blake2b(words.encode(), digest_size=8).digest()) >> (64 - ROLE_BITS)


def draws(role_keys: NDArray[np.int64] | Sequence[int], seed: int) -> NDArray[np.float64]:
    """One uniform number in [0, 1) for each key, by the campaign's seed (SplitMix64's finaliser).

    Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators".
    """
    z = np.asarray(role_keys, dtype=np.uint64) + np.uint64((0x9E3779B97F4A7C15 * (seed + 1)) % 2**64)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)).astype(np.float64) * 2.0**-53
