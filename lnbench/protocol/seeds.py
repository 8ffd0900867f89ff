"""Every random stream of an evaluation, derived from one hash and nothing else.

A stream is named by (track hash, salt, stage, split, seed). Its 256 bits are the SHA-256 of that name, so streams of
different names are independent, a season's salt moves all of them at once, and no process, worker count or library
version takes part. Permutations are the argsort of raw 64-bit words: a bit generator's raw stream is guaranteed
stable by NumPy, its `Generator.permutation` is not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lnbench.protocol.hashes import sha256_json

PUBLIC_SALT = "public"
OWN = "own"
"""What a record says of a salt that its own submission gives; see `own_salt`."""


@dataclass(frozen=True)
class Streams:
    """All random streams of one track under one salt."""

    track_sha256: str
    salt: str = PUBLIC_SALT

    def entropy(self, stage: str, split: int | None = None, seed: int | None = None) -> int:
        """256 bits for the stream of this name. `None` and 0 are different names."""
        name = "\x1f".join(["lnbench", self.track_sha256, self.salt, stage, repr(split), repr(seed)])
        return int.from_bytes(hashlib.sha256(name.encode()).digest(), "big")

    def generator(self, stage: str, split: int | None = None, seed: int | None = None) -> np.random.Generator:
        """A NumPy generator for the stream."""
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(self.entropy(stage, split, seed))))

    def integer(self, stage: str, split: int | None = None, seed: int | None = None) -> int:
        """A 63-bit integer for libraries that are seeded by one."""
        return self.entropy(stage, split, seed) >> 193

    def permutation(self, n: int, stage: str, split: int | None = None, seed: int | None = None) -> np.ndarray:
        """A uniform permutation of 0 … n−1, (n,) int64, the same for every NumPy version."""
        return permutation(n, self.entropy(stage, split, seed))

    @property
    def commitment(self) -> str:
        """SHA-256 of the salt: what may be published while the salt itself is not."""
        return hashlib.sha256(b"lnbench-salt\x1f" + self.salt.encode()).hexdigest()


def own_salt(track_sha256: str, source_sha256: str, parameters: Mapping[str, Any]) -> str:
    """The salt that a submission gives itself.

    Whoever changes a source changes the splits that it is scored on, so that a source cannot hold what does well on
    them; and anybody can derive the salt again. Choosing among whole sources remains, which is what a noisier score is.

    Args:
        source_sha256: of the file's bytes.
        parameters: those that differ from their defaults.
    """
    return f"{OWN}:{sha256_json([track_sha256, source_sha256, dict(parameters)])}"


def permutation(n: int, entropy: int, rounds: int = 1) -> np.ndarray:
    """`rounds` independent uniform permutations of 0 … n−1 laid end to end, (rounds · n,) int64."""
    words = np.random.PCG64(np.random.SeedSequence(entropy)).random_raw(n * rounds).reshape(rounds, n)
    return np.argsort(words, axis=1, kind="stable").reshape(-1)
