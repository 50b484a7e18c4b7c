"""What the workers do with each source: one function that takes work from the inbox, one that does it.

The functions that do it are the ones that Dagster's assets call. A source without a lane, or whose lane is off, is
kept: its items wait until an installation comes that knows what to do with them.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Self

from ibhelm_pipelines.content.steps import LIVE_ORDER, SMALL_BYTES, Steps, open_steps
from ibhelm_pipelines.errors import ContentBusyError, TransientError, VendorUnavailableError
from ibhelm_pipelines.live import missive
from ibhelm_pipelines.live.inbox import Batch, Inbox
from ibhelm_pipelines.live.linking import index_comments, link_files_of, link_files_with, link_tasks
from ibhelm_pipelines.nas.paths import scan_paths
from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.share import LOOSE
from ibhelm_pipelines.vendors.missive import sync as missive_sync
from ibhelm_pipelines.vendors.teamwork.access import check_access
from ibhelm_pipelines.vendors.teamwork.sync import is_connected, sync_things

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from ibhelm_pipelines.db.live import Source
    from ibhelm_pipelines.settings import Settings

SECOND_LOOK_SECONDS = 30
"""After a look at single paths that left something open, the whole folder is scanned: not at once, for what is being
written or moved may be whole by then."""


class Tools:
    """What the lanes of one process share; each thing is opened when it is first needed."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._open = ExitStack()
        self._lock = Lock()
        self._steps: Steps | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close what is open, when no lane works any more."""
        self._open.close()

    def steps(self) -> Steps:
        """Return the steps, whose object store and worker processes all threads share."""
        with self._lock:
            if self._steps is None:
                self._steps = self._open.enter_context(open_steps(self.settings))
            return self._steps


@dataclass(frozen=True, kw_only=True)
class Lane:
    """One thread of every worker.

    Attributes:
        small: whether it takes only what is small (SMALL_BYTES), so that nothing large can block it.
        is_on: whether these settings have what it works with.
        told_by_runs: whether scheduled runs meet what keeps it from working, and alert: then it is silent.
    """

    name: str
    source: Source
    claim: Callable[[Inbox], Batch | None]
    work: Callable[[Tools, Inbox, Batch], None]
    small: bool = False
    is_on: Callable[[Settings], bool] = lambda _: True
    told_by_runs: bool = False


def work_on_nas(tools: Tools, inbox: Inbox, batch: Batch) -> None:
    """Bring the tables in line with the disk."""
    if batch.work == "share":
        scan(tools.settings, tell=True)
        return
    if batch.work == "folder":
        scan(tools.settings, folders=[batch.items[0].folder or batch.items[0].label], tell=True)
        return
    paths = [item.key for item in batch.items if item.kind == "path"]
    directories = [item.key for item in batch.items if item.kind == "directory"]
    report = scan_paths(tools.settings, paths=paths, directories=directories, tell=True)
    if report.state == "incomplete":
        folders = {*report.folders, *(item.folder or LOOSE for item in batch.items)}
        inbox.scan_later(sorted(folders), seconds=SECOND_LOOK_SECONDS)


def work_on_contents(tools: Tools, _inbox: Inbox, batch: Batch) -> None:
    """Preview, text and original of these contents, or of all of a folder; and what their files belong to and are found
    by: of single ones at once by their names, and of all afterwards by their text, too.

    What the steps leave open for a passing reason is written down by themselves and found by the next scan.

    Raises:
        ContentBusyError: another run had some of them in its hands; it may be killed before they are done.
    """
    steps = tools.steps()
    if batch.work == "folder":
        folder = batch.items[0].folder or batch.items[0].label
        reports = [steps.run(step, folders=[folder], tell=True) for step in LIVE_ORDER]
        link_files_of(tools.settings, folder)
    else:
        hashes = [item.key.decode("ascii") for item in batch.items]
        link_files_with(tools.settings, hashes)
        reports = list(steps.derive(hashes, tell=True).values())
        link_files_with(tools.settings, hashes)
    if any(report.busy for report in reports):
        raise ContentBusyError(f"Another run is at {batch.label}.", next_step="It is looked at again in seconds.")


def work_on_teamwork(tools: Tools, _inbox: Inbox, batch: Batch) -> None:
    """Read again what webhooks named; what is of a kind that nobody mirrors is done.

    Raises:
        VendorUnavailableError: Teamwork is away.
        TransientError: it is there, and only what was asked for has no good answer.
    """
    things = [(item.kind, int(item.key)) for item in batch.items]
    try:
        sync_things(tools.settings, things)
    except VendorUnavailableError as error:
        check_access(tools.settings)
        raise TransientError(error.problem, next_step=error.next_step) from error
    link_tasks(tools.settings, [number for kind, number in things if kind == "task"])
    index_comments(tools.settings, [number for kind, number in things if kind == "comment"])


def claim_teamwork(inbox: Inbox) -> Batch | None:
    """Take what Teamwork's webhooks named."""
    return inbox.claim_things("teamwork")


def work_on_missive(tools: Tools, _inbox: Inbox, batch: Batch) -> None:
    """Read again the conversations that webhooks named."""
    missive.read_conversations(tools.settings, batch)


def work_on_attachments(tools: Tools, _inbox: Inbox, batch: Batch) -> None:
    """Fetch attachments of conversations that were read."""
    missive.fetch_attachments(tools.settings, batch)


LANES: tuple[Lane, ...] = (
    Lane(name="nas", source="nas", claim=Inbox.claim_nas, work=work_on_nas),
    Lane(
        name="nas, small",
        source="nas",
        claim=partial(Inbox.claim_nas, max_weight=SMALL_BYTES),
        work=work_on_nas,
        small=True,
    ),
    Lane(name="contents", source="content", claim=Inbox.claim_contents, work=work_on_contents),
    Lane(
        name="contents, small",
        source="content",
        claim=partial(Inbox.claim_contents, max_weight=SMALL_BYTES),
        work=work_on_contents,
        small=True,
    ),
    Lane(
        name="teamwork",
        source="teamwork",
        claim=claim_teamwork,
        work=work_on_teamwork,
        is_on=is_connected,
        told_by_runs=True,
    ),
    Lane(
        name="missive",
        source="missive",
        claim=missive.claim_conversations,
        work=work_on_missive,
        is_on=missive_sync.is_connected,
        told_by_runs=True,
    ),
    Lane(
        name="missive, attachments",
        source="missive",
        claim=missive.claim_attachments,
        work=work_on_attachments,
        is_on=missive_sync.is_connected,
        told_by_runs=True,
    ),
)


def lanes_on(settings: Settings, lanes: tuple[Lane, ...] = LANES) -> tuple[Lane, ...]:
    """Return those of the lanes that can work with these settings."""
    return tuple(lane for lane in lanes if lane.is_on(settings))


def sources(lanes: tuple[Lane, ...]) -> list[Source]:
    """Return the sources that have a lane."""
    return sorted({lane.source for lane in lanes})
