"""The parts of a `multipart/x-mixed-replace` answer, by which an MTConnect agent streams (MTConnect part 1, "Streaming data"; RFC 2046, 5.1). Pure.

Bytes in, whole documents out. No more than one part is ever held, and none that is larger than agreed.
"""

import re

from workshop.errors import Rejected

_BOUNDARY = re.compile(r'multipart/[\w.+-]+\s*;(?:.*;)?\s*boundary\s*=\s*(?:"([^"]{1,200})"|([^\s;"]{1,200}))', re.IGNORECASE)
_MAX_HEAD = 8192
_LENGTH = re.compile(rb"content-length[ \t]*:[ \t]*([0-9]{1,12})[ \t]*", re.IGNORECASE)


def boundary_of(content_type: str) -> str | None:
    """The boundary that this content type names; None if it is no multipart at all."""
    found = _BOUNDARY.match(content_type)
    return (found[1] or found[2]) if found is not None else None


class Parts:
    """Takes bytes as they come."""

    def __init__(self, boundary: str, max_bytes: int) -> None:
        """For this boundary; a part of more bytes is refused."""
        self._mark, self._max = b"--" + boundary.encode(), max_bytes
        self._buffer = bytearray()
        self._searched = 0
        self._length: int | None = None
        self._is_head = False
        self._begun = False
        self.ended = False
        """Whether the agent said that no part follows."""

    def feed(self, data: bytes) -> list[bytes]:
        """The bodies of the parts that are complete with this.

        Raises:
            Rejected: no boundary where one belongs, a head or part that is too large, a length that is none. Nothing can be read after it.
        """
        self._buffer += data
        found: list[bytes] = []
        while not self.ended:
            if not self._begun:
                if not self._boundary():
                    break
            elif self._is_head:
                if not self._head():
                    break
            else:
                body = self._body()
                if body is None:
                    break
                found.append(body)
        return found

    def _line(self) -> bytes | None:
        end = self._buffer.find(b"\n")
        if end < 0 and len(self._buffer) > _MAX_HEAD:
            raise Rejected(f"a line of more than {_MAX_HEAD} bytes where a boundary or head belongs")
        if end < 0:
            return None
        line = bytes(self._buffer[:end]).rstrip(b"\r")
        del self._buffer[: end + 1]
        return line

    def _boundary(self) -> bool:
        line = self._line()
        if line is None:
            if bytes(self._buffer).rstrip() == self._mark + b"--":
                self.ended = True
            return False
        line = line.rstrip(b" \t")
        if line == self._mark + b"--":
            self.ended = True
        elif line == self._mark:
            self._begun = self._is_head = True
            self._length, self._head_size = None, 0
        elif line:
            raise Rejected(f"'{line[:40]!r}' where the boundary of a part belongs")
        return not self.ended

    def _head(self) -> bool:
        line = self._line()
        if line is None:
            return False
        self._head_size += len(line)
        if self._head_size > _MAX_HEAD:
            raise Rejected(f"a part with a head of more than {_MAX_HEAD} bytes")
        if not line:
            self._is_head, self._searched = False, 0
        elif line.lower().startswith(b"content-length"):
            length = _LENGTH.fullmatch(line)
            if length is None:
                raise Rejected(f"'{line[:60]!r}' is no length")
            self._length = int(length[1])
            if self._length > self._max:
                raise Rejected(f"a part of {self._length} bytes; at most {self._max}: set max_bytes or a smaller count")
        return True

    def _body(self) -> bytes | None:
        buffer, length = self._buffer, self._length
        if length is not None:
            if len(buffer) < length:
                return None
            body = bytes(buffer[:length])
            del buffer[:length]
        else:
            # Without a length the next boundary ends it.
            at = buffer.find(b"\n" + self._mark, max(0, self._searched - len(self._mark) - 1))
            self._searched = len(buffer)
            if (at if at >= 0 else len(buffer) - len(self._mark) - 2) > self._max:
                raise Rejected(f"a part of more than {self._max} bytes: set max_bytes or a smaller count")
            if at < 0:
                return None
            body = bytes(buffer[:at]).rstrip(b"\r")
            del buffer[: at + 1]
        self._begun = False
        return body
