"""Which bytes a request asks for (RFC 9110, section 14): one stretch, or all.

Invariant: what is not understood is no error; the whole is a good answer to every Range.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_SINGLE = re.compile(r"bytes=[ \t]*(\d{0,18})-(\d{0,18})[ \t]*")
"""Of several stretches, the whole is given: nobody but download managers asks for them."""


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Some of an object's bytes.

    Attributes:
        start: the first byte.
        length: how many; 0 where none of those that were asked for exist.
    """

    start: int
    length: int


def stretch_of(header: str, size: int) -> Stretch | None:
    """Return what a Range header asks for of so many bytes; None for all of them."""
    match = _SINGLE.fullmatch(header)
    if match is None:
        return None
    first, last = match.groups()
    if first:
        return _between(int(first), int(last) if last else size, size)
    if last and size:
        length = min(int(last), size)
        return Stretch(start=size - length, length=length)
    return None


def _between(first: int, last: int, size: int) -> Stretch | None:
    if first >= size:
        return Stretch(start=0, length=0)
    if last < first:
        return None
    return Stretch(start=first, length=min(last + 1, size) - first)
