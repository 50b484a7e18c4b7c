"""Tables as a German Excel opens them with a double click: UTF-8 with its mark, semicolons, dates as they are written.

Invariant: no cell is a formula. A text that begins like one gets an apostrophe in front, which Excel shows as text:
subjects and file names are written by strangers.
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
from typing import TYPE_CHECKING

from ibhelm_pipelines.export.pages import date
from ibhelm_pipelines.wording import minute

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from ibhelm_pipelines.export.output import Output

MARK = "\ufeff"
MOST_CHARACTERS = 32_000
"""Of a cell; Excel takes 32,767. The pages hold all of it."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Sheet:
    """One CSV of the export, written row by row; use it as a context manager.

    Args:
        output: where it goes.
        path: its place in the export.
        columns: their names.
    """

    def __init__(self, output: Output, path: str, columns: Sequence[str]) -> None:
        self._output, self._path = output, path
        self._spooled, self._digest, self._size = output.target.spool(), hashlib.sha256(), 0
        self._line = io.StringIO(newline="")
        self._writer = csv.writer(self._line, delimiter=";", lineterminator="\r\n")
        self._line.write(MARK)
        self.write(*columns)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._output.place(self._spooled, self._path, sha256=self._digest.hexdigest(), size=self._size)

    def write(self, *values: object) -> None:
        """Write a row."""
        self._writer.writerow([cell(value) for value in values])
        data = self._line.getvalue().encode("utf-8", "replace")
        self._line.seek(0)
        self._line.truncate()
        self._spooled.write(data)
        self._digest.update(data)
        self._size += len(data)


def cell(value: object) -> str:
    """Return a value as it stands in a cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "ja" if value else "nein"
    if isinstance(value, dt.datetime):
        return minute(value).replace(",", "")
    if isinstance(value, dt.date):
        return date(value)
    if isinstance(value, int | float):
        return str(value).replace(".", ",")
    return _text(", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value))


def _text(text: str) -> str:
    text = text.replace("\0", "").replace("\r\n", "\n").replace("\r", "\n")
    if len(text) > MOST_CHARACTERS:
        text = f"{text[:MOST_CHARACTERS]} … (gekürzt, siehe die Seite)"
    return f"'{text}" if text.startswith(_FORMULA) else text
