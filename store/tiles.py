"""Merkle trees in tiles (C2SP tlog-tiles): 256 hashes a tile, eight levels of the tree each, so that opening is quick and a proof touches few bytes.

tile (level t, number n)   hashes of the complete subtrees of 256^t leaves with the numbers 256 n … 256 n + 255, 32 bytes each
A full tile never changes. The one tile at the end of each level is partial; it stays in memory, and above level 0 on disk, too.
"""

import functools
import hashlib
import re
from collections.abc import Callable, Iterable, Sequence

import msgspec

from store.log import HASH_BYTES, HashTree
from workshop.errors import Rejected

HEIGHT = 8
WIDTH = 1 << HEIGHT
TILE_BYTES = WIDTH * HASH_BYTES
MAX_LEVEL = 63
_CACHED = 1024
_NUMBER = re.compile(r"(?:x[0-9]{3}/){0,5}[0-9]{3}")


class State(msgspec.Struct, frozen=True):
    """A tree's size and the partial tile at the end of each level."""

    size: int
    tails: tuple[bytes, ...]


class Growth(msgspec.Struct, frozen=True):
    """What a tree becomes with more leaves, and the tiles to store before it does: (level, number, hashes)."""

    state: State
    tiles: tuple[tuple[int, int, bytes], ...]


class TileTree(HashTree):
    """An append-only tree over stored tiles.

    One thread may grow it while others read roots and proofs of sizes that they have seen.

    Args:
        tails: for each level the partial tile at its end.
        read: gives a full tile by level and number.
    """

    def __init__(self, size: int, tails: Sequence[bytes], read: Callable[[int, int], bytes]) -> None:
        self._state = State(size, tuple(tails))
        self._read = functools.lru_cache(maxsize=_CACHED)(read)

    @property
    def size(self) -> int:
        """Number of leaves."""
        return self._state.size

    def plan(self, leaves: Iterable[bytes]) -> Growth:
        """What these leaf hashes would make of the tree, which stays as it is until `grow`.

        Raises:
            Rejected: a hash that is not 32 bytes long.
        """
        added, state = list(leaves), self._state
        if any(len(leaf) != HASH_BYTES for leaf in added):
            raise Rejected(f"log: a leaf hash has {HASH_BYTES} bytes")
        tails, tiles, level = list(state.tails), [], 0
        fresh = b"".join(added)
        while fresh:
            data = (tails[level] if level < len(tails) else b"") + fresh
            number = state.size >> HEIGHT * (level + 1)
            roots = []
            full = len(data) // TILE_BYTES * TILE_BYTES
            for start in range(0, full, TILE_BYTES):
                tiles.append((level, number, data[start : start + TILE_BYTES]))
                roots.append(fold(data[start : start + TILE_BYTES]))
                number += 1
            tail = data[full:]
            tails[level:level + 1] = [tail]
            if level and tail:
                tiles.append((level, number, tail))
            fresh, level = b"".join(roots), level + 1
        return Growth(State(state.size + len(added), tuple(tails)), tuple(tiles))

    def grow(self, growth: Growth) -> None:
        """Takes over a plan whose tiles are on disk."""
        self._state = growth.state

    def node(self, level: int, index: int) -> bytes:
        """Hash of the complete subtree number `index` of 2^level leaves."""
        tile_level, height = divmod(level, HEIGHT)
        number, offset = divmod(index << height, WIDTH)
        start = offset * HASH_BYTES
        return fold(self._tile(tile_level, number)[start : start + (HASH_BYTES << height)])

    def tile(self, level: int, number: int, width: int = WIDTH) -> bytes:
        """The first `width` hashes of a tile.

        Raises:
            Rejected: the tree does not reach so far.
        """
        state = self._state
        there = min(WIDTH, (state.size >> HEIGHT * level) - number * WIDTH) if 0 <= level <= MAX_LEVEL and number >= 0 else 0
        if not 0 < width <= there:
            raise Rejected(f"log: tile {number} of level {level} has {max(0, there)} hashes, not {width}")
        return self._tile(level, number)[: width * HASH_BYTES]

    def _tile(self, level: int, number: int) -> bytes:
        state = self._state
        if number == state.size >> HEIGHT * (level + 1):
            return state.tails[level]
        return self._read(level, number)


def fold(hashes: bytes) -> bytes:
    """Root over hashes of equal subtrees, a power of two of them."""
    sha256 = hashlib.sha256
    while len(hashes) > HASH_BYTES:
        hashes = b"".join(sha256(b"\x01" + hashes[i : i + 2 * HASH_BYTES]).digest() for i in range(0, len(hashes), 2 * HASH_BYTES))
    return hashes


def tile_path(number: int) -> str:
    """A tile's number as C2SP writes it in paths: groups of three digits, all but the last with an x: 1234067 is x001/x234/067."""
    groups = [f"{number % 1000:03d}"]
    while number := number // 1000:
        groups.append(f"x{number % 1000:03d}")
    return "/".join(reversed(groups))


def parse_tile_path(path: str) -> tuple[int, int]:
    """Number and width of the tile that a path names: `x001/234`, or `x001/234.p/17` for the first 17 hashes.

    Raises:
        Rejected: another spelling, or a width that is not 1 to 255.
    """
    text, partial, width = path.partition(".p/")
    number = int(text.replace("x", "").replace("/", "")) if _NUMBER.fullmatch(text) else -1
    if number < 0 or tile_path(number) != text:
        raise Rejected(f"tile '{path[:60]}': a number is written in groups of three digits, all but the last with an x, such as x001/067")
    if not partial:
        return number, WIDTH
    if not width.isascii() or not width.isdigit() or width.startswith("0") or not 0 < int(width[:9]) < WIDTH:
        raise Rejected(f"tile '{path[:60]}': the width of a partial tile is 1 to {WIDTH - 1}")
    return number, int(width)
