"""Small greyscale pictures of surfaces as a vision station takes them, with a scratch, a pore or a burr where the part has one.

A turned or milled surface is a grey of 140 with feed marks (a sine across the picture), shading and sensor noise; a scratch is a thin bright line
with a dark edge, a pore a dark disc, a burr a ragged bright edge. PNG by RFC 2083: 8 bit greyscale, one IDAT.
"""

import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from simulators.machine import generator

Picture = npt.NDArray[np.uint8]
SIZE = 64
DEFECTS = ("", "SCRATCH", "PORE", "BURR")


def surface(seed: int, serial: str, defect: str = "", size: int = SIZE) -> Picture:
    """The picture of one part; the same for the same seed, serial and defect (one of DEFECTS, anything else is a good surface)."""
    dice = generator(seed, "image", serial, defect)
    y, x = np.mgrid[0:size, 0:size].astype(np.float64)
    angle = dice.uniform(-0.1, 0.1)
    grey = 140.0 + 9.0 * np.sin((x + angle * y) * 2 * np.pi / dice.uniform(4.0, 5.0)) + 0.15 * (y - size / 2) + dice.normal(0.0, 4.0, (size, size))
    if defect == "SCRATCH":
        slope, at = dice.uniform(-0.8, 0.8), dice.uniform(0.3, 0.7) * size
        away = y - at - slope * (x - size / 2)
        length = np.abs(x - size / 2) < dice.uniform(0.25, 0.45) * size
        grey += 80.0 * (np.abs(away) < 1.0) * length - 40.0 * (np.abs(away - 2.0) < 1.0) * length
    elif defect == "PORE":
        for _ in range(int(dice.integers(1, 4))):
            centre_x, centre_y = dice.uniform(0.2, 0.8, 2) * size
            grey -= 90.0 * ((x - centre_x) ** 2 + (y - centre_y) ** 2 < dice.uniform(2.0, 4.5) ** 2)
    elif defect == "BURR":
        edge = size - 5.0 - 2.5 * np.abs(np.cumsum(dice.normal(0.0, 0.5, size)))
        grey += 70.0 * (y > edge[None, :])
    picture: Picture = np.clip(np.rint(grey), 0, 255).astype(np.uint8)
    return picture


def png(picture: Picture) -> bytes:
    """The picture as a PNG file."""
    height, width = picture.shape
    # Every row begins with its filter: 0, none.
    rows = np.concatenate([np.zeros((height, 1), np.uint8), picture], axis=1).tobytes()
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows, 9)) + _chunk(b"IEND", b"")


def write_image(folder: Path, seed: int, serial: str, defect: str) -> Path:
    """Write `<serial>.png` into the folder and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{serial}.png"
    path.write_bytes(png(surface(seed, serial, defect)))
    return path


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
