"""Flags of examples as text: base64 of packed bits, the first example in the highest bit of the first byte."""

from __future__ import annotations

import base64
import binascii

import numpy as np


def pack(broken: np.ndarray) -> str:
    """The text of some flags, (example,) bool."""
    return base64.b64encode(np.packbits(np.asarray(broken, dtype=bool)).tobytes()).decode("ascii")


def unpack(bits: str, points: int) -> np.ndarray:
    """The flags that `pack` packed, (points,) bool.

    Raises:
        ValueError: if this is not the base64 of exactly `points` flags and zeros up to a whole byte.
    """
    try:
        data = base64.b64decode(bits, validate=True)
    except binascii.Error as error:
        raise ValueError(f"not base64 ({error})") from None
    if len(data) != -(-points // 8):
        raise ValueError(f"{len(data)} bytes for {points} points")
    flags = np.unpackbits(np.frombuffer(data, dtype=np.uint8)).astype(bool)
    if flags[points:].any() or base64.b64encode(data).decode("ascii") != bits:
        raise ValueError(f"set beyond the {points} points")
    return flags[:points]
