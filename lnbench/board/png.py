"""Small pictures as PNG, without compression: a compressor's bytes change with its version, and a board's may not."""

from __future__ import annotations

import struct
import zlib

_GREY, _COLOUR = 0, 2


def png(pixels: bytes, channels: int, height: int, width: int) -> bytes:
    """A PNG file of these pixels.

    Args:
        pixels: (channels, height, width) uint8, one channel (grey) or three (red, green, blue), at most 64 kB in all.
    """
    plane = height * width
    rows = b"".join(
        b"\0" + bytes(pixels[c * plane + y * width + x] for x in range(width) for c in range(channels))
        for y in range(height)
    )
    stored = struct.pack("<BHH", 1, len(rows), len(rows) ^ 0xFFFF) + rows  # one last block of deflate's kind 0
    data = b"\x78\x01" + stored + struct.pack(">I", zlib.adler32(rows))
    header = struct.pack(">IIBBBBB", width, height, 8, _GREY if channels == 1 else _COLOUR, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
