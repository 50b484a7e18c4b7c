"""Removes what was found, one mail or comment a transaction: rows, bodies, the files that we put onto the NAS.

Whatever kills it leaves a mail whole or gone. A file is removed before its transaction commits: if the commit fails,
the mail is still there and the next run finds its file absent. All who write mails, attachments, files or results of
the same contents wait meanwhile, so that nothing is removed that somebody just began to use.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.types.json import Jsonb

from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.forgotten import COMMENTS, CONTACTS, CONVERSATIONS, MESSAGES, USERS
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import BusyError
from ibhelm_pipelines.nas.locks import SCANNING, lock_folders
from ibhelm_pipelines.nas.names import display, folder_of, split
from ibhelm_pipelines.objects.disposal import lock_contents, permit_rewriting, remove_unreferenced
from ibhelm_pipelines.privacy.inbox_files import Seen, look, remove
from ibhelm_pipelines.register.people_forgetting import remove_people
from ibhelm_pipelines.vendors.missive.attachment_disk import Disk
from ibhelm_pipelines.vendors.missive.attachment_ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.db.forgotten import Forgotten
    from ibhelm_pipelines.settings import Settings
    from ibhelm_pipelines.share import Share

SCAN_WAIT = "60s"

NEUTRAL = "vergessen"
"""Instead of the mail's folder and the file's name, in the history of a file that people moved out of the inbox."""

KINDS = (
    "people", "mails", "comments", "attachments", "contacts", "colleagues", "recipient_entries", "mentions",
    "webhook_posts", "accesses",
    "inbox_files", "contents", "texts", "objects", "object_bytes",
)  # fmt: skip
"""What is counted, in the order in which it is shown."""


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A file that was put onto the NAS for an attachment, and what stands there now.

    Attributes:
        raw_path: below the root; empty where it did not get its name yet.
        raw_temporary_path: of one that was being fetched when its run was killed.
    """

    raw_path: bytes
    shared: bool
    seen: Seen
    raw_temporary_path: bytes | None

    @property
    def goes(self) -> bool:
        """Whether its rows go: it is ours, or nobody's any more."""
        return not self.shared and self.seen.fate in ("ours", "absent")


@dataclass(frozen=True, kw_only=True)
class Unit:
    """A mail or a comment, with all that hangs on it."""

    email: str | None = None
    comment: str | None = None
    conversation: str | None = None

    @property
    def values(self) -> dict[str, Any]:
        return {"email": self.email, "comment": self.comment}


def list_placed(connection: Connection, share: Share | None, unit: Unit) -> list[Placed]:
    """Look at the files that were put onto the NAS for a unit, or for all with an empty one."""
    rows = connection.execute(load_queries("privacy")["list_placed"], unit.values).fetchall()
    if not rows:
        return []
    assert share is not None, "it was opened because files were found"
    share.check()
    return [
        Placed(
            raw_path=raw_path or b"",
            shared=shared,
            seen=look(share.root, raw_path, content_hash) if raw_path else Seen(fate="absent"),
            raw_temporary_path=temporary,
        )
        for content_hash, raw_path, temporary, shared in rows
    ]


class Removal:
    """One run's removing.

    Args:
        connection: in autocommit mode, with the temporary tables of the findings.
        settings: of this process.
        share: the NAS, where files were found on it.
        who: the forgotten addresses.
        run: its number.
    """

    def __init__(
        self, connection: Connection, settings: Settings, share: Share | None, who: Forgotten, run: int
    ) -> None:
        self._connection, self._settings, self._share, self._who, self._run = connection, settings, share, who, run
        self._sql = load_queries("privacy")
        self.removed = dict.fromkeys(KINDS, 0)
        self.left_folders: set[str] = set()

    def count(self, **more: int) -> None:
        """Add to the counts of the run, in the caller's transaction."""
        for name, number in more.items():
            self.removed[name] += number
        self._do("record_run", id=self._run, removed=Jsonb(self.removed))

    def remove(self, unit: Unit) -> None:
        """Remove a mail or comment.

        Raises:
            ScanBusyError, BusyError: somebody works on the same; nothing was removed of it.
            ShareUnavailableError, FileUnreadableError, ContentChangedError: a file of it cannot be removed now.
        """
        with ExitStack() as stack:
            stack.enter_context(self._alone_with(unit))
            stack.enter_context(self._writing())
            hashes = self._lock_contents(unit)
            placed = list_placed(self._connection, self._share, unit)
            self._remove_file_rows(placed)
            attachments = self._remove_rows(unit)
            gone = remove_unreferenced(self._connection, hashes)
            if unit.conversation is not None:
                self._clean(CONVERSATIONS, unit.conversation)
            self.count(
                mails=int(unit.email is not None),
                comments=int(unit.comment is not None),
                attachments=attachments,
                inbox_files=sum(each.goes and each.seen.fate == "ours" for each in placed),
                contents=gone.contents,
                texts=gone.texts,
            )
            self._remove_files(placed)

    def remove_people(self, addresses: Sequence[str], *, users: Sequence[str], contacts: Sequence[str]) -> None:
        """Remove the persons of the register, with what people wrote about them."""
        with self._writing():
            self.count(people=remove_people(self._connection, addresses, users=users, contacts=contacts))

    def remove_contact(self, missive_id: str) -> None:
        """Remove a contact."""
        with self._writing():
            self._do("delete_contact", id=missive_id)
            self._do("delete_raw", kind=CONTACTS, ids=[missive_id])
            self.count(contacts=1)

    def remove_user(self, missive_id: str) -> None:
        """Remove a colleague; where only the bare id of Missive stands, it stays."""
        with self._writing():
            self._do("unlink_user", id=missive_id)
            self._do("delete_user", id=missive_id)
            self._do("delete_raw", kind=USERS, ids=[missive_id])
            self.count(colleagues=1)

    def clean_body(self, kind: str, vendor_id: str) -> None:
        """Take the person out of a body that stays."""
        with self._writing():
            self._clean(kind, vendor_id)
            self.count(mentions=1)

    def remove_recipients(self, addresses: Sequence[str]) -> None:
        """Take the person out of those to whom others' mails went."""
        more = True
        while more:
            with self._writing():
                [(taken,)] = self._do("delete_recipients", addresses=list(addresses)).fetchall()
                self.count(recipient_entries=taken)
            more = taken > 0

    def remove_posts(self, numbers: Sequence[int]) -> None:
        """Remove webhook posts."""
        with self._writing():
            self.count(webhook_posts=self._do("delete_webhook_posts", ids=list(numbers)).rowcount)

    def remove_accesses(self, addresses: Sequence[str]) -> None:
        """Take the person out of the log of who read what."""
        with self._connection.transaction():
            self.count(accesses=self._do("forget_accesses_of", addresses=list(addresses)).rowcount)

    @contextmanager
    def _alone_with(self, unit: Unit) -> Iterator[None]:
        """Keep away whoever puts attachments onto the NAS, and scans of the folders of the files: one that began before
        would put there, or record, what is gone by then.
        """
        [(attachments,)] = self._do("count_doomed_attachments", **unit.values).fetchall()
        if not attachments:
            yield
            return
        url, depth = self._settings.require_database_url(), self._settings.folder_depth
        with connect(url, application="forget", autocommit=True) as connection, Ledger(connection).turn():
            self._do("doom_attachments", **unit.values)  # as they are now that nobody brings them on
            paths = [raw_path for _, raw_path, *_ in self._do("list_placed", **unit.values) if raw_path]
            if paths:
                folders = {folder_of(split(each)[0], depth) for each in paths}
                lock_folders(connection, SCANNING, folders, wait=SCAN_WAIT)
            yield

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold a transaction in which nobody else writes what Missive says; counts of one that fails do not count."""
        before = dict(self.removed)
        try:
            with self._connection.transaction():
                self._connection.execute(load_queries("vendors")["lock_writing"], {"source": "missive"})
                yield
        except psycopg.errors.LockNotAvailable as error:
            self.removed = before
            raise BusyError(
                "Somebody else writes what is to be removed.", next_step="Run the same command again; it goes on."
            ) from error

    def _lock_contents(self, unit: Unit) -> list[str]:
        hashes = [found for (found,) in self._do("content_hashes", **unit.values)]
        lock_contents(self._connection, hashes)
        return hashes

    def _remove_file_rows(self, placed: Sequence[Placed]) -> None:
        if not placed:
            return
        permit_rewriting(self._connection)
        for each in (each for each in placed if each.raw_path):
            if each.goes:
                self._do("note_paths", raw_paths=[each.raw_path])
                files = [number for (number,) in self._do("files_at", raw_path=each.raw_path)]
                self._do("release_files", files=files)
                self._do("delete_file_rows", files=files)
                raw_paths = [each.raw_path, split(each.raw_path)[0]]
                paths = list(map(display, raw_paths))
                self._do("delete_traces_of_path", raw_paths=raw_paths, paths=paths, neutral=NEUTRAL)
            neutral = split(split(each.raw_path)[0])[0] + b"/" + NEUTRAL.encode()
            if self._do(
                "rename_history", raw_path=each.raw_path, neutral_raw=neutral, neutral=display(neutral)
            ).rowcount:
                self._do("note_paths", raw_paths=[each.raw_path])

    def _remove_rows(self, unit: Unit) -> int:
        attachments = self._do("attachments_of", **unit.values).fetchall()
        self._do("delete_attachments", ids=[number for number, _ in attachments])
        self._do("delete_raw", kind="email_attachments", ids=[missive_id for _, missive_id in attachments])
        if unit.email is not None:
            self._do("delete_email", email=unit.email)
            self._do("delete_raw", kind=MESSAGES, ids=[unit.email])
        if unit.email is not None and unit.conversation is not None:
            self._do("keep_forgotten_message", email=unit.email, conversation=unit.conversation)
        if unit.comment is not None:
            self._do("delete_comment", comment=unit.comment)
            self._do("delete_raw", kind=COMMENTS, ids=[unit.comment])
        return len(attachments)

    def _clean(self, kind: str, vendor_id: str) -> None:
        for (body,) in self._do("read_raw", kind=kind, id=vendor_id).fetchall():
            cleaned = self._who.clean(kind, body)
            if cleaned is None or cleaned == body:
                continue
            self._do("write_raw", kind=kind, id=vendor_id, body=Jsonb(cleaned))
            if kind == CONVERSATIONS:
                renamed, latest = cleaned.get("subject"), cleaned.get("latest_message_subject")
                self._do("set_subject", id=vendor_id, renamed=renamed, latest=latest)

    def _remove_files(self, placed: Sequence[Placed]) -> None:
        if not placed or self._share is None:
            return
        with Disk(self._share) as disk:
            for temporary in filter(None, (each.raw_temporary_path for each in placed)):
                disk.remove_temporary(temporary)
        for each in (each for each in placed if each.raw_path and each.goes):
            self.left_folders.discard(folder := display(split(each.raw_path)[0]))
            if not remove(self._share.root, each.raw_path, each.seen):
                self.left_folders.add(folder)

    def _do(self, name: str, **values: Any) -> psycopg.Cursor[tuple[Any, ...]]:
        return self._connection.execute(self._sql[name], values)
