"""What could not be put into the inbox yet, on disk: bounded, replaced whole, never half a file.

Postgres may be away for hours while the office works. The newest state of the backlog is one small file that survives
a kill; beyond its bound it says "everything". A spool that cannot be read says the same: a scan too many, not a change
too few.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Literal

import structlog
from pydantic import BaseModel, Field

from ibhelm_pipelines.db.live import InboxItem
from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.live.pending import whole_share
from ibhelm_pipelines.local.state import write_private
from ibhelm_pipelines.share import INT64_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MAX_ITEMS = 5_000
"""About 1 MB, written every two seconds at most; what is more becomes a scan of the share."""

MAX_EVENTS = 10**9
"""No watcher sees more; the inbox could not count it."""


_Text = Annotated[str, Field(pattern=r"^[^\x00]*$")]


class _Row(BaseModel):
    """An item, as the inbox can hold it: a broken one would end each start anew. The key is in hex: names need not be
    UTF-8."""

    source: Literal["nas"]
    kind: Literal["path", "directory", "folder", "share"]
    key: str
    label: _Text
    folder: _Text | None
    weight: Annotated[int, Field(ge=0, le=INT64_MAX)]
    events: Annotated[int, Field(ge=1, le=MAX_EVENTS)]


class _Content(BaseModel):
    format: Literal[1]
    items: list[_Row]


class Backlog:
    """Items that wait for the database, each once, at most `MAX_ITEMS`."""

    def __init__(self) -> None:
        self._items: dict[tuple[str, bytes], InboxItem] = {}

    def __len__(self) -> int:
        return len(self._items)

    def items(self) -> list[InboxItem]:
        return list(self._items.values())

    def add(self, items: Iterable[InboxItem]) -> None:
        """Take in items, merged with what waits."""
        for item in items:
            key = (item.kind, item.key)
            known = self._items.get(key)
            self._items[key] = item if known is None else replace(item, events=item.events + known.events)
        if len(self._items) > MAX_ITEMS:
            share = whole_share(sum(item.events for item in self._items.values()))
            self._items = {(share.kind, share.key): share}

    def clear(self) -> None:
        self._items = {}


class Spool:
    """The backlog on disk.

    Raises:
        ConfigurationError: its folder cannot be made.
    """

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / "watch" / "spool"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"The folder {self.path.parent} cannot be made: {error.strerror}.",
                next_step="Run ibhelm as the user that owns the state folder, or set IBHELM_STATE_DIR to another one.",
            ) from error

    def load(self) -> list[InboxItem]:
        """Return what was kept; a file that cannot be understood asks for a scan of everything."""
        try:
            return _parse(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
        except (OSError, ValueError, RecursionError) as error:
            structlog.get_logger().error("spool_broken", path=str(self.path), reason=str(error), instead="share scan")
            return [whole_share()]

    def save(self, items: Iterable[InboxItem]) -> None:
        """Replace what is kept.

        Raises:
            OSError: it cannot be written.
        """
        rows = [_Row(**{**asdict(item), "key": item.key.hex()}) for item in items]
        write_private(self.path, _Content(format=1, items=rows).model_dump_json() + "\n")

    def forget(self) -> None:
        """Nothing waits any more."""
        self.path.unlink(missing_ok=True)


def _parse(text: str) -> list[InboxItem]:
    """Understand a spool file.

    Raises:
        ValueError: it is broken, or of a format that this version does not know.
    """
    rows = _Content.model_validate_json(text).items
    return [InboxItem(**{**row.model_dump(), "key": bytes.fromhex(row.key)}) for row in rows]
