"""A request as a vendor reads it, and its answer: unknown parameters count for nothing and nobody says so.

What cannot be read (a page of 501, a number that is none) is refused with 400.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a request is answered with; a body of None is an empty one, `more` a page that is not the last."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    more: bool = False


class BadQuery(ValueError):  # noqa: N818 - it is the client's error, answered with 400
    """The request cannot be read; the message is for the vendor's error body."""


class Parameters:
    """The parameters of one request."""

    def __init__(self, params: Mapping[str, str]) -> None:
        self._params = params

    def text(self, name: str, default: str = "") -> str:
        """Return a parameter as it is."""
        return self._params.get(name, default)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return whether a flag is set; all are off unless the vendor says otherwise."""
        value = self._params.get(name)
        return default if value is None else value.lower() in {"true", "1", "yes"}

    def words(self, name: str) -> list[str]:
        """Return a list with commas in it."""
        return [word.strip() for word in self._params.get(name, "").split(",") if word.strip()]

    def number(self, name: str, default: int, *, least: int, most: int) -> int:
        """Return a number within bounds."""
        value = self._params.get(name, str(default))
        if not value.isdigit() or not least <= int(value) <= most:
            raise BadQuery(f"{name} must be between {least} and {most}")
        return int(value)

    def without(self, *names: str) -> tuple[tuple[str, str], ...]:
        """Return all parameters but these, to know a query again on its next page."""
        return tuple(sorted((name, value) for name, value in self._params.items() if name not in names))


def json_bytes(value: Any) -> bytes:
    """Write JSON in UTF-8; half surrogates, which UTF-8 has no bytes for, become the escapes that JSON has."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
