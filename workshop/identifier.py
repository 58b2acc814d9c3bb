"""Identifiers of things in the form of the industrial-internet identification (工业互联网标识): 88.<node>.<enterprise>/<serial>.

88 is the country code of China under the issuing agency VAA (ISO/IEC 15459). Only the shape is checked: nothing here says that a prefix is
registered.
"""

import re

from workshop.errors import Rejected

PREFIX = re.compile(r"88\.[0-9]{1,10}\.[0-9]{1,20}")
LONGEST = 200
EXAMPLE = "88.118.1/cnc-01-000123"


def split_identifier(text: str) -> tuple[str, str]:
    """Prefix and serial.

    Raises:
        Rejected: not of this form; says which.
    """
    prefix, slash, serial = text.partition("/")
    if not slash or not PREFIX.fullmatch(prefix):
        raise Rejected(f"identifier '{text[:60]}': must be 88.<node>.<enterprise>/<serial>, digits between the dots, such as {EXAMPLE}")
    if not 0 < len(serial) <= LONGEST or any(ord(letter) < 32 or ord(letter) == 127 for letter in serial):
        raise Rejected(f"identifier '{text[:60]}': the serial after the slash has 1 to {LONGEST} characters, none of control")
    return prefix, serial
