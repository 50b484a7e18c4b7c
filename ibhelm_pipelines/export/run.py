"""One export, from which project is meant to the name under which all of it stands."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.export.archive import ArchiveTarget
from ibhelm_pipelines.export.book import Book
from ibhelm_pipelines.export.conversations import write_conversations
from ibhelm_pipelines.export.files import plan_files, write_file_pages, write_files
from ibhelm_pipelines.export.folder import FolderTarget
from ibhelm_pipelines.export.listings import write_links, write_people
from ibhelm_pipelines.export.originals import Originals
from ibhelm_pipelines.export.output import Output
from ibhelm_pipelines.export.pages import write_style
from ibhelm_pipelines.export.project import find_project
from ibhelm_pipelines.export.reading import Reader, snapshot
from ibhelm_pipelines.export.summary import write_summary
from ibhelm_pipelines.export.target import disk_errors, require_room, require_usable
from ibhelm_pipelines.export.tasks import write_tasks, write_times
from ibhelm_pipelines.export.timeline import write_timeline
from ibhelm_pipelines.objects.store import ObjectStore

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable
    from pathlib import Path

    from ibhelm_pipelines.export.target import Target
    from ibhelm_pipelines.settings import Settings


@dataclass(frozen=True, kw_only=True)
class ExportReport:
    """What came of an export.

    Attributes:
        project: its name.
        path: where it stands.
        counts: how many there are of what.
        files: how many files the export has in all, pages included.
        bytes: how large they are.
        missing: how many things belong to it and could not be had; the export names them.
        not_kept: attachments that were never fetched from Missive, or left out by a rule.
        renamed: files that have another name than on the NAS.
    """

    project: str
    path: Path
    counts: dict[str, int]
    files: int
    bytes: int
    missing: int
    not_kept: int
    renamed: int


def export(
    settings: Settings,
    project: str,
    to: Path,
    *,
    now: dt.datetime,
    with_deleted: bool = False,
    on_progress: Callable[[str, int, int], object] = lambda _what, _done, _total: None,
) -> ExportReport:
    """Write everything of one project into a folder, or into a ZIP where the name ends so.

    Args:
        settings: database, object store, NAS root.
        project: which one: number, name, words of it, or id:NUMBER.
        to: the folder or ZIP; must not be there yet.
        now: the time that stands at the export.
        with_deleted: whether files that were deleted on the NAS come along, in a folder of their own.
        on_progress: told of what so many are done, and how many there are (0 where nobody knows).

    Raises:
        ConfigurationError: no such project, or several; the target cannot be used, or its disk is full.
        BusyError: another export is writing the same.
        DatabaseUnavailableError, ObjectStoreUnavailableError: run it again; a folder goes on where it ended.
    """
    final = to.expanduser().absolute()
    require_usable(settings, final)
    url = settings.require_database_url()
    with connect(url, application="export") as connection, translated_errors():
        found = find_project(connection, project)
    target: Target = ArchiveTarget(final) if final.suffix.lower() == ".zip" else FolderTarget(final)
    with disk_errors(final), closing(target), closing(Book()) as book, ObjectStore(settings) as store:
        store.check()
        output = Output(target=target, book=book, now=now, tell=on_progress)
        with snapshot(url, found["id"]) as reader:
            plan_files(reader, output, with_deleted=with_deleted)
        require_room(final, book.count_files()[1])
        target.begin(f"project {found['id']}, with deleted files: {with_deleted}")
        with Originals(store=store, output=output) as originals:
            write_files(output, originals)
            with snapshot(url, found["id"]) as reader:
                values = _write_contents(reader, output, originals)
        write_style(output)
        write_summary(output, found, {**values, "with_deleted": with_deleted})
        report = _report(found["name"], final, book, values["counts"])
        target.finish(book.has_written)
    return report


def _write_contents(reader: Reader, output: Output, originals: Originals) -> dict[str, Any]:
    """Write all pages but the index; return what it shows of them."""
    folders = write_file_pages(output)
    counts = {"files": output.book.count_files()[0], **write_tasks(reader, output)}
    _, minutes = write_times(reader, output)
    counts |= {"minutes": minutes, **write_conversations(reader, output, originals)}
    counts["people"] = write_people(reader, output)
    cost_groups = write_links(output, "cost_group", stem="kostengruppen", title="Kostengruppen")
    places = write_links(output, "place", stem="orte", title="Orte")
    counts |= {"cost_groups": len(cost_groups), "places": len(places), "folders": len(folders)}
    return {
        "counts": counts,
        "folders": folders,
        "bytes": output.book.count_files()[1],
        "milestones": reader.all("milestones"),
        "left_out": {row["what"]: row["count"] for row in reader.all("left_out")},
        "months": write_timeline(reader, output),
    }


def _report(project: str, path: Path, book: Book, counts: dict[str, int]) -> ExportReport:
    files, size = book.totals()
    notes = {kind: book.count_notes(kind) for kind in ("missing", "not_kept", "renamed")}
    return ExportReport(project=project, path=path, counts=counts, files=files, bytes=size, **notes)
