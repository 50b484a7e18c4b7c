"""Attachments of mails, from Missive to the NAS and to their rows: the entry for the asset and the live worker.

Vendors and scanner know nothing of each other; here they meet. The files that were put on the share are scanned by the
code that scans every file, so that it finds them as its own and no other scan invents a second one.
"""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter, defaultdict
from contextlib import ExitStack
from typing import TYPE_CHECKING

from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.live import InboxItem, enqueue
from ibhelm_pipelines.errors import ConfigurationError, ScanBusyError
from ibhelm_pipelines.nas.ignore import IgnoreRules
from ibhelm_pipelines.nas.names import display, folder_of
from ibhelm_pipelines.nas.paths import scan_paths
from ibhelm_pipelines.objects.links import renew_links
from ibhelm_pipelines.register.linking import link_some
from ibhelm_pipelines.register.projects import link_folders
from ibhelm_pipelines.share import LOOSE, Share
from ibhelm_pipelines.vendors.missive.attachment_addresses import FreshAddresses
from ibhelm_pipelines.vendors.missive.attachment_disk import Disk, temporary_name
from ibhelm_pipelines.vendors.missive.attachment_download import Downloads
from ibhelm_pipelines.vendors.missive.attachment_ledger import Ledger, Scope
from ibhelm_pipelines.vendors.missive.attachment_places import Places
from ibhelm_pipelines.vendors.missive.attachment_saving import AttachmentReport, Saver, name_in

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.settings import Settings
    from ibhelm_pipelines.vendors.missive.attachment_ledger import Attachment, Placed

__all__ = ["AttachmentReport", "save_attachments", "settle_attachments"]

AT_ONCE = 50
"""Attachments between two scans of what was put on the share: so many may have a file and no link for a while."""

SETTLING_PAUSE_SECONDS = 1.0


def save_attachments(
    settings: Settings,
    *,
    month: str | None = None,
    conversations: Collection[str] | None = None,
    progress: Callable[[AttachmentReport], None] = lambda _: None,
) -> AttachmentReport:
    """Bring attachments of mails and comments to the NAS, as IBHELM_ATTACHMENT_INBOX allows.

    Each is committed by itself; whatever ends a run, the next one goes on there.

    Args:
        settings: of this process.
        month: only of conversations whose last activity was in this month, as 2026-11 or 2026-11-01.
        conversations: only of these, by their ids in Missive.
        progress: is told after each attachment how far it is.

    Raises:
        ShareUnavailableError: the share is not mounted, full or read-only; nothing is lost.
        VendorUnavailableError: for some time nothing could be fetched.
        DatabaseUnavailableError: Postgres does not answer.
        BusyError: another run holds things up for long.
        ConfigurationError: a setting is missing or wrong, or Missive refuses the token.
    """
    started = time.monotonic()
    if settings.attachment_inbox == "off":
        return AttachmentReport(mode="off")
    scope = Scope(month=_month(month), conversations=conversations)
    with connect(settings.require_database_url(), application="attachments", autocommit=True) as connection:
        run = _Run(settings, connection, scope, progress)
        run.skip()
        run.link()
        if settings.attachment_inbox == "on":
            run.save()
        else:
            run.plan()
        run.finish()
    run.report.seconds = round(time.monotonic() - started, 3)
    return run.report


def settle_attachments(settings: Settings, *, seconds: float) -> None:
    """See to the files that a run put on the share while another scan held their folder, as soon as that lets go.

    A live scan is done in a moment; whoever asked for a sync would be told that attachments wait which are there.

    Args:
        settings: of this process.
        seconds: after which what is not seen yet is left to the live lane and to the next run.

    Raises:
        ShareUnavailableError, DatabaseUnavailableError, ConfigurationError: as `save_attachments`.
    """
    until = time.monotonic() + seconds
    with connect(settings.require_database_url(), application="attachments", autocommit=True) as connection:
        run = _Run(settings, connection, Scope(month=None, conversations=None), lambda _: None)
        while run.has_unseen_files() and time.monotonic() < until:
            time.sleep(SETTLING_PAUSE_SECONDS)
            run.recognise()


class _Run:
    """One run over a scope."""

    def __init__(
        self,
        settings: Settings,
        connection: Connection,
        scope: Scope,
        progress: Callable[[AttachmentReport], None],
    ) -> None:
        self._settings, self._connection, self._scope, self._progress = settings, connection, scope, progress
        self._ledger = Ledger(connection)
        self.report = AttachmentReport(mode=settings.attachment_inbox)
        self._rules = IgnoreRules.from_settings(settings)
        if not self._rules.leaves_out_file(temporary_name(0)):
            raise ConfigurationError(
                "A scan would take files that are still being fetched for files of the office.",
                next_step="Add *.partial to IBHELM_IGNORED_FILES.",
            )
        self._places = Places(
            self._ledger.project_folders(),
            general_inbox=settings.attachment_general_inbox,
            folder_depth=settings.folder_depth,
            is_left_out=self._rules.folder_reason,
        )

    def skip(self) -> None:
        """Apply the rules."""
        self._ledger.apply_skip_rules(self._scope)
        self.report.skipped = self._ledger.skipped(self._scope)
        self.report.seen = sum(self.report.skipped.values())

    def link(self) -> None:
        """Find out to which projects the mails belong, by what is known now: their attachments go into its folder."""
        if waiting := self._ledger.conversations(self._scope):
            link_folders(self._settings)
            link_some(self._settings, "conversation", waiting)

    def finish(self) -> None:
        """Count what is left."""
        self.report.waiting = self._ledger.waiting(self._scope)

    def has_unseen_files(self) -> bool:
        """Tell whether a file of ours stands on the share that no scan has found."""
        return bool(self._ledger.unlinked())

    def recognise(self) -> None:
        """Scan what no scan has found, and link it."""
        with Disk(Share.open(self._settings)) as disk:
            self._recognise(disk)

    def plan(self) -> None:
        """Write down where everything would go; nothing is fetched."""
        planned: Counter[str] = Counter()
        for batch in self._batches():
            paths = {}
            for attachment in batch:
                raw_folder = self._places.of(attachment.mail).raw_path
                name = name_in(raw_folder, attachment, self._rules.leaves_out_file)
                paths[attachment.id] = f"{display(raw_folder)}/{name}"
                planned[display(raw_folder).rpartition("/")[0]] += 1
            self._ledger.plan(paths)
            self.report.planned = dict(planned)
            self._progress(self.report)

    def save(self) -> None:
        """Fetch what is to be fetched, and have it found by a scan."""
        self._ledger.clear_plans()
        share = Share.open(self._settings)
        with ExitStack() as stack:
            disk = stack.enter_context(Disk(share))
            saver = Saver(
                ledger=self._ledger,
                disk=disk,
                places=self._places,
                downloads=stack.enter_context(Downloads(self._settings.missive_url)),
                addresses=stack.enter_context(FreshAddresses(self._settings)),
                report=self.report,
                is_left_out=self._rules.leaves_out_file,
            )
            saver.clean_up()
            self._recognise(disk)
            for batch in self._batches():
                try:
                    for attachment in batch:
                        saver.save(attachment)
                        self._progress(self.report)
                finally:
                    self._recognise(disk)

    def _batches(self) -> Iterator[list[Attachment]]:
        for batch in self._ledger.to_fetch(self._scope, at_once=AT_ONCE):
            self.report.seen += len(batch)
            yield batch

    def _recognise(self, disk: Disk) -> None:
        """Scan what was put on the share and is not known yet, and link it; also what a killed run left."""
        self._ledger.link_placed()
        waiting = self._ledger.unlinked()
        by_folder: dict[str, list[Placed]] = defaultdict(list)
        for file in waiting:
            by_folder[folder_of(file.raw_path.rpartition(b"/")[0], self._settings.folder_depth)].append(file)
        for folder, files in by_folder.items():
            self._scan(folder, files)
        if waiting:
            self._ledger.link_placed()
        renew_links(self._connection, self._settings, "original", hashes=self._ledger.take_linked())
        for file in self._ledger.unlinked():
            if not disk.holds(file.raw_path, file.size, file.hash):
                self._ledger.start_over(file)

    def _scan(self, folder: str, files: list[Placed]) -> None:
        try:
            scan_paths(self._settings, paths=[file.raw_path for file in files])
        except ScanBusyError:
            enqueue(self._connection, [_inbox_item(folder, file) for file in files])


def _inbox_item(folder: str, file: Placed) -> InboxItem:
    """What the watcher would say of it."""
    return InboxItem(
        source="nas",
        kind="path",
        key=file.raw_path,
        label=display(file.raw_path),
        folder=None if folder == LOOSE else folder,
        weight=file.size,
    )


def _month(month: str | None) -> dt.date | None:
    if month is None:
        return None
    try:
        return dt.date.fromisoformat(f"{month[:7]}-01")
    except ValueError as error:
        raise ConfigurationError(f"{month!r} is no month.", next_step="Write it as 2026-11.") from error
