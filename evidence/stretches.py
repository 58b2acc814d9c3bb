"""Which ranges of the data log a bundle must hold: all that meets its windows, and on both sides so much that nothing can have been left out."""

from collections.abc import Sequence

from analytics.compute import LOOKBACK_US
from evidence.control import Control
from evidence.parts import meets
from evidence.survey import meets_window
from store.archive import Archive, StoredHeader
from workshop.batch import Header, decode_header
from workshop.window import Window


def ranges_for(archive: Archive, control: Control, windows: Sequence[Window], size: int) -> list[tuple[int, int]]:
    """[first, end) of every range, in order, none touching another.

    Each window's range begins with a batch accepted before the window and its lookback, or with the log; it ends when every edge has sealed a batch
    after the window's end, or with the log. Of an edge whose first batch there was sealed later, the batch before it is there as well. Announced
    batches that meet a window are there too, wherever they stand.
    """
    found = [item for window in windows for item in _ranges(archive, control, window, size)]
    for _, late in control.announcements:
        if any(meets_window(late, window) for window in windows):
            found += [(index, index + 1) for index in archive.indices(late.edge, late.epoch, late.from_seq, late.to_seq) if index < size]
    joined: list[tuple[int, int]] = []
    for first, end in sorted(found):
        if joined and first <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((first, end))
    return joined


def _ranges(archive: Archive, control: Control, window: Window, size: int) -> list[tuple[int, int]]:
    """The window's range, and every later batch about it by itself."""
    met_first, met_end = archive.range_for(window, LOOKBACK_US)
    if met_first == met_end:
        met_first, met_end = size, 0
    bound_us = window.start_us - LOOKBACK_US
    # Accepted times never go backwards within a log: the last batch accepted by then, if there is one.
    low, high = 0, met_first
    while low < high:
        middle = (low + high) // 2
        if _one(archive, middle).accepted_us <= bound_us:
            low = middle + 1
        else:
            high = middle
    first = min(max(0, low - 1), size - 1)
    end, passed, links = first, set[str](), dict[str, int | None]()
    for item in archive.headers(first, size):
        header = decode_header(item.header)
        if header.edge not in links:
            # Of each edge its last batch before the range, so that nothing can have been left out between the two.
            links[header.edge] = None if header.sealed_us <= bound_us else archive.index_before(header.edge, header.epoch, header.seq)
        if header.sealed_us >= window.end_us:
            passed.add(header.edge)
        end = item.index + 1
        if not control.awaited(window.end_us, item.accepted_us) - passed:
            break
    found = [(first, end), *((index, index + 1) for index in links.values() if index is not None and index < first)]
    for item in archive.headers(end, min(met_end, size)):
        if _is_about(decode_header(item.header), window):
            found.append((item.index, item.index + 1))
    return found


def _is_about(header: Header, window: Window) -> bool:
    return any(meets(entry, window) for entry in header.parts) or any(
        gap.from_us < window.end_us and gap.to_us > window.start_us for gap in header.gaps
    )


def _one(archive: Archive, index: int) -> StoredHeader:
    return next(archive.headers(index, index + 1))
