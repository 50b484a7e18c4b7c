"""Brings one attachment after the other from Missive to the NAS.

Each step is written down before it is done: the temporary file before it is made, the name before it is given. So a run
that is killed anywhere leaves no half file under a name that anybody sees, and the next one finds what it left. What is
on the NAS already, with the same bytes, is linked and not written again.

What goes wrong with one attachment is its own trouble. What is wrong with the share, with Postgres or with Missive ends
the run; all that was done before stays.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import structlog

from ibhelm_pipelines.errors import (
    DatabaseUnavailableError,
    PermanentError,
    ShareUnavailableError,
    TransientError,
    VendorForbiddenError,
    VendorMissingError,
    VendorUnavailableError,
)
from ibhelm_pipelines.portable_names import safe_name
from ibhelm_pipelines.vendors.missive.attachment_disk import temporary_name
from ibhelm_pipelines.vendors.missive.attachment_ledger import Placed
from ibhelm_pipelines.vendors.missive.attachment_names import room_for_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from ibhelm_pipelines.errors import IbhelmError
    from ibhelm_pipelines.vendors.missive.attachment_addresses import FreshAddresses
    from ibhelm_pipelines.vendors.missive.attachment_disk import Disk, Folder
    from ibhelm_pipelines.vendors.missive.attachment_download import Downloads, Fetched
    from ibhelm_pipelines.vendors.missive.attachment_ledger import Attachment, Ledger
    from ibhelm_pipelines.vendors.missive.attachment_places import Place, Places

SILENT_HOSTS = 5
"""So many attachments in a row that no host serves are the host's trouble, or the network's."""

Outcome = Literal["saved", "linked", "failed", "done"]
"""Written; found on the NAS; could not be done; somebody else has done it meanwhile."""


@dataclass(kw_only=True)
class AttachmentReport:
    """What a run did.

    Attributes:
        mode: what the settings say: off, dry-run or on.
        seen: attachments that were looked at, the skipped ones included.
        skipped: left out by the rules, by reason.
        saved: written to the NAS.
        linked: whose bytes are on the NAS already, so that nothing was written.
        bytes: written.
        failed: could not be done this time; see ops.attachment_attempts.
        waiting: left at the end: tried again later, or not yet found on the NAS by a scan; in a dry run all.
        planned: how many would be put into which project folder or general inbox; in a dry run only.
    """

    mode: str
    seen: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    saved: int = 0
    linked: int = 0
    bytes: int = 0
    failed: int = 0
    waiting: int = 0
    planned: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0


class Saver:
    """Saves single attachments.

    Args:
        is_left_out: whether the scanner would leave out a file of this name.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        disk: Disk,
        places: Places,
        downloads: Downloads,
        addresses: FreshAddresses,
        report: AttachmentReport,
        is_left_out: Callable[[str], object],
    ) -> None:
        self._ledger, self._disk, self._places = ledger, disk, places
        self._downloads, self._addresses, self._report = downloads, addresses, report
        self._is_left_out = is_left_out
        self._unserved = 0

    def clean_up(self) -> None:
        """Remove what killed runs left."""
        with self._ledger.turn():
            for number, raw_path in self._ledger.temporary_files():
                self._disk.remove_temporary(raw_path)
                self._ledger.forget_temporary(number)

    def save(self, attachment: Attachment) -> Outcome:
        """Save one attachment, or write down why that could not be done.

        Raises:
            ShareUnavailableError, DatabaseUnavailableError, ConfigurationError: nothing can be saved now.
            VendorUnavailableError: nobody has served anything for some time.
            BusyError: somebody else is at it for too long.
        """
        with self._ledger.turn():
            try:
                outcome = self._save(attachment)
            except (ShareUnavailableError, DatabaseUnavailableError):
                raise
            except VendorUnavailableError as error:
                self._fail(attachment, error, permanent=False)
                self._unserved += 1
                if self._unserved >= SILENT_HOSTS:
                    raise
                return "failed"
            except (TransientError, VendorForbiddenError, PermanentError) as error:
                return self._fail(attachment, error, permanent=isinstance(error, PermanentError))
        self._unserved = 0
        return outcome

    def _fail(self, attachment: Attachment, error: IbhelmError, *, permanent: bool) -> Outcome:
        self._ledger.fail(attachment, str(error), permanent=permanent)
        self._report.failed += 1
        structlog.get_logger().warning(
            "attachment_failed", attachment=attachment.missive_id, reason=str(error), permanent=permanent
        )
        return "failed"

    def _save(self, attachment: Attachment) -> Outcome:
        is_open, earlier = self._ledger.earlier_try(attachment)
        if not is_open:
            return "done"
        if earlier is not None and self._disk.holds(earlier.raw_path, earlier.size, earlier.hash):
            return self._stands(attachment, earlier)
        place = self._places.of(attachment.mail)
        with self._disk.folder(place, levels=len(place.below) - 1) as inbox:
            temporary = temporary_name(attachment.id)
            self._ledger.begin(attachment, inbox.raw_path + b"/" + temporary.encode())
            with inbox.writing(temporary) as file:
                fetched = self._fetch(attachment, file)
            try:
                return self._settle(attachment, place, fetched, inbox, temporary)
            finally:
                inbox.discard(temporary)

    def _fetch(self, attachment: Attachment, file: BinaryIO) -> Fetched:
        """Fetch it from the address that is known, or from a fresh one."""
        known = self._ledger.stored_address(attachment)
        if known is not None:
            try:
                return self._downloads.fetch(known, size=attachment.size, write=file.write)
            except VendorMissingError:
                pass  # too old, as a rule
        fresh = self._addresses.of(attachment)
        try:
            return self._downloads.fetch(fresh, size=attachment.size, write=file.write)
        except VendorMissingError as error:
            raise TransientError(
                f"{error.problem} The address was fresh.", next_step="It is tried again, at last daily."
            ) from error

    def _settle(self, attachment: Attachment, place: Place, fetched: Fetched, inbox: Folder, temporary: str) -> Outcome:
        """Link it with these bytes on the NAS, or put them there."""
        for file_id, raw_path in self._ledger.files_with(fetched.sha256):
            if self._disk.holds(raw_path, fetched.size, fetched.sha256):
                self._ledger.link(attachment, fetched.sha256, file_id)
                self._report.linked += 1
                return "linked"
        for raw_path in self._ledger.placed_with(attachment, fetched.sha256):
            if self._disk.holds(raw_path, fetched.size, fetched.sha256):
                file = Placed(raw_path=raw_path, hash=fetched.sha256, size=fetched.size)
                self._ledger.placed(attachment, file, is_mine=False)
                self._report.linked += 1
                return "linked"
        with self._disk.folder(place, levels=len(place.below)) as folder:
            return self._put(attachment, fetched, folder, inbox, temporary)

    def _put(self, attachment: Attachment, fetched: Fetched, folder: Folder, inbox: Folder, temporary: str) -> Outcome:
        name = name_in(folder.raw_path, attachment, self._is_left_out)
        while True:
            target = folder.target(name, size=fetched.size, sha256=fetched.sha256)
            file = Placed(raw_path=target.raw_path, hash=fetched.sha256, size=fetched.size)
            self._ledger.intend(attachment, file)
            if target.is_there:
                self._ledger.placed(attachment, file, is_mine=True)
                self._report.linked += 1
                return "linked"
            raw_path = folder.adopt(inbox, temporary, target)
            if raw_path is not None:
                return self._stands(attachment, replace(file, raw_path=raw_path))

    def _stands(self, attachment: Attachment, file: Placed) -> Outcome:
        self._ledger.placed(attachment, file, is_mine=True)
        self._report.saved += 1
        self._report.bytes += file.size
        return "saved"


def name_in(raw_folder: bytes, attachment: Attachment, is_left_out: Callable[[str], object]) -> str:
    """Return the name that an attachment gets in a folder, unless it is taken."""
    return safe_name(attachment.name, otherwise="Anhang", max_bytes=room_for_name(raw_folder), is_left_out=is_left_out)
