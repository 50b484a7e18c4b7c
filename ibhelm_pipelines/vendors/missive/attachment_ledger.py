"""What the database knows of attachments on their way to the NAS: one short transaction a step, so that a kill at any
moment leaves a state from which the next run goes on.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg

from ibhelm_pipelines.db.connect import translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import BusyError
from ibhelm_pipelines.vendors.missive.attachment_places import Mail

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from ibhelm_pipelines.db.connect import Connection

LOCK_WAIT = "5min"
"""How long somebody else may take for one attachment before we end and come again."""

_DAY = re.compile(r"\d{8}")
NO_DAY = "00000000"


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Which attachments a run is about.

    Attributes:
        month: first day of a month, of the last activity of their conversations; None for all.
        conversations: ids of Missive; None for all.
    """

    month: dt.date | None = None
    conversations: Collection[str] | None = None

    @property
    def values(self) -> dict[str, Any]:
        return {"month": self.month, "conversations": None if self.conversations is None else list(self.conversations)}


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """One that is to be fetched.

    Attributes:
        id: our own.
        name: as the mail has it.
        size: as Missive says, where it does.
        email: id in Missive of the mail that it hangs on; else `comment` is set.
    """

    id: int
    missive_id: str
    name: str
    size: int | None
    email: str | None
    comment: str | None
    conversation: str
    mail: Mail


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A file that stands on the share, or is about to.

    Attributes:
        raw_path: below the root.
        hash: SHA-256 of its bytes, as hex.
    """

    raw_path: bytes
    hash: str
    size: int


class Ledger:
    """Reads and writes over one connection in autocommit mode; not for several threads at once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sql = load_queries("missive_attachments")
        self._linked: set[str] = set()

    def _rows(self, name: str, **values: Any) -> list[tuple[Any, ...]]:
        with translated_errors():
            cursor = self._connection.execute(self._sql[name], values)
            return cursor.fetchall() if cursor.description is not None else []

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold the right to put an attachment on the NAS.

        Raises:
            BusyError: somebody else holds it for too long.
        """
        self._wait_for_turn()
        try:
            yield
        finally:
            if not self._connection.closed:
                self._rows("unlock_saving")

    def _wait_for_turn(self) -> None:
        try:
            with self._connection.transaction():
                self._connection.execute("select set_config('lock_timeout', %s, true)", [LOCK_WAIT])
                self._connection.execute(self._sql["lock_saving"])
        except psycopg.errors.LockNotAvailable as error:
            raise BusyError(
                "Another run has been fetching one attachment for long.", next_step="It is tried again in a moment."
            ) from error

    def apply_skip_rules(self, scope: Scope) -> None:
        """Write down which attachments the rules leave out, and which they do not any more."""
        self._rows("apply_skip_rules", **scope.values)

    def skipped(self, scope: Scope) -> dict[str, int]:
        """Return how many are left out, by reason."""
        return dict(self._rows("count_skipped", **scope.values))

    def waiting(self, scope: Scope) -> int:
        """Return how many are not skipped, not given up and not linked."""
        [(count,)] = self._rows("count_waiting", **scope.values)
        return int(count)

    def to_fetch(self, scope: Scope, *, at_once: int) -> Iterator[list[Attachment]]:
        """Yield all that are to be fetched now, in the order of their ids, so many at once; once in a connection."""
        self._rows("choose", **scope.values)
        self._rows("index_chosen")
        after = 0
        while ids := [number for (number,) in self._rows("next_chosen", after=after, limit=at_once)]:
            yield [_attachment(*row) for row in self._rows("to_fetch", ids=ids)]
            after = ids[-1]

    def conversations(self, scope: Scope) -> list[int]:
        """Return the conversations whose attachments wait: our own ids."""
        return [number for (number,) in self._rows("conversations", **scope.values)]

    def project_folders(self) -> list[bytes]:
        """Return the paths of the project folders that are on the share."""
        return [raw_folder for (raw_folder,) in self._rows("project_folders")]

    def earlier_try(self, attachment: Attachment) -> tuple[bool, Placed | None]:
        """Return whether it is still to be fetched, and where an earlier try was about to put it."""
        rows = self._rows("still_to_fetch", id=attachment.id)
        if not rows:
            return False, None
        [(raw_path, sha256, size)] = rows
        return True, None if raw_path is None else Placed(raw_path=raw_path, hash=sha256, size=size)

    def stored_address(self, attachment: Attachment) -> str | None:
        """Return the address that Missive said last; it is good for a while only."""
        return next((url for (url,) in self._rows("stored_address", id=attachment.id)), None)

    def begin(self, attachment: Attachment, raw_temporary_path: bytes) -> None:
        """A file of this name is going to be made."""
        self._rows("begin", id=attachment.id, raw_path=raw_temporary_path)

    def temporary_files(self) -> list[tuple[int, bytes]]:
        """Return what killed runs may have left: ids of attachments and paths below the root."""
        return [(number, raw_path) for number, raw_path in self._rows("temporary_files")]

    def forget_temporary(self, number: int) -> None:
        """That file is gone."""
        self._rows("forget_temporary", id=number)

    def files_with(self, sha256: str) -> list[tuple[int, bytes]]:
        """Return live files of the NAS with these bytes: ids and paths below the root."""
        return [(number, raw_path) for number, raw_path in self._rows("files_with", hash=sha256)]

    def placed_with(self, attachment: Attachment, sha256: str) -> list[bytes]:
        """Return the paths at which these bytes were put for other attachments, and not yet found by a scan."""
        return [raw_path for (raw_path,) in self._rows("placed_with", hash=sha256, id=attachment.id)]

    def intend(self, attachment: Attachment, file: Placed) -> None:
        """The file is going to have this name."""
        self._rows("intend", id=attachment.id, raw_path=file.raw_path, hash=file.hash, size=file.size)

    def placed(self, attachment: Attachment, file: Placed, *, is_mine: bool) -> None:
        """The file stands there, whole.

        Args:
            is_mine: whether it was put there for this attachment.
        """
        inbox_path = unicodedata.normalize("NFC", file.raw_path.decode("utf-8", "backslashreplace"))
        self._rows(
            "placed",
            id=attachment.id,
            raw_path=file.raw_path,
            hash=file.hash,
            size=file.size,
            raw_inbox_path=file.raw_path if is_mine else None,
            inbox_path=inbox_path if is_mine else None,
        )

    def link(self, attachment: Attachment, sha256: str, file_id: int) -> None:
        """Its bytes are those of this file."""
        self._rows("link", id=attachment.id, hash=sha256, file_id=file_id)
        self._linked.add(sha256)

    def link_placed(self) -> None:
        """Link what scans have found by now."""
        self._linked.update(sha256 for (sha256,) in self._rows("link_placed"))

    def take_linked(self) -> list[str]:
        """Return the contents that attachments were linked with since this was asked last."""
        linked, self._linked = self._linked, set()
        return sorted(linked)

    def unlinked(self) -> list[Placed]:
        """Return the files that no scan has found yet."""
        return [Placed(raw_path=raw_path, hash=sha256, size=size) for raw_path, sha256, size in self._rows("unlinked")]

    def start_over(self, file: Placed) -> None:
        """It is not there any more: whoever waits for it is to be fetched again."""
        self._rows("start_over", raw_path=file.raw_path, hash=file.hash)

    def fail(self, attachment: Attachment, reason: str, *, permanent: bool) -> None:
        """Write down why it could not be done."""
        self._rows("fail", id=attachment.id, reason=reason, permanent=permanent)

    def plan(self, paths: Mapping[int, str]) -> None:
        """Write down where these would go."""
        self._rows("plan", ids=list(paths), paths=list(paths.values()))

    def clear_plans(self) -> None:
        """Nothing is only planned any more."""
        self._rows("clear_plans")


def _attachment(number: int, missive_id: str, name: str, size: int | None, *rest: Any) -> Attachment:
    email, comment, conversation, day, sender, subject, subjects, labels, project_folders = rest
    return Attachment(
        id=number,
        missive_id=missive_id,
        name=name,
        size=size,
        email=email,
        comment=comment,
        conversation=conversation,
        mail=Mail(
            day=day if _DAY.fullmatch(day) else NO_DAY,
            sender=sender,
            subject=subject,
            subjects=tuple(subjects),
            labels=tuple(labels),
            project_folders=None if project_folders is None else tuple(project_folders),
        ),
    )
