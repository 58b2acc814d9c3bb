"""Names of pages: the key of the last row of the page before, so that rows which come meanwhile neither hide nor repeat any."""

import base64
import binascii
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import Query

from workshop.errors import Rejected

Key = TypeVar("Key")
Number = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""An integer that the tables can hold."""
First = Annotated[int, Query(ge=0, le=2**53 - 1, description="Index in the control log to begin at: x-next-page of the answer before")]
Limit = Annotated[int | None, Query(ge=1, le=100_000, description="Most entries; without it all")]
NEXT_PAGE = "x-next-page"
_LONGEST = 4096


def page_after(key: tuple[Any, ...]) -> str:
    """The name of the page behind the row of this key."""
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).decode().rstrip("=")


def key_of(page: str | None, shape: type[Key]) -> Key | None:
    """The key behind which a page begins; None for the first page.

    Raises:
        Rejected: not the name of a page of this question.
    """
    if page is None:
        return None
    try:
        raw = base64.b64decode(page[:_LONGEST] + "=" * (-len(page[:_LONGEST]) % 4), b"-_", validate=True)
        return msgspec.json.decode(raw, type=shape)
    except (binascii.Error, ValueError, msgspec.DecodeError) as error:
        raise Rejected(f"page '{page[:60]}': not one of this question; take {NEXT_PAGE} of the answer before") from error
