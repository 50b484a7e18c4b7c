"""Restores from the bucket alone: what was where is read from the manifests, no database is asked.

The newest manifest of a folder answers for every day. Where it is damaged an older one does, and that is said; what
happened after an older one was written is not known then, and that is said, too, where it matters.
"""

from __future__ import annotations

from contextlib import ExitStack
from difflib import get_close_matches
from itertools import groupby
from typing import TYPE_CHECKING, BinaryIO

from ibhelm_pipelines.errors import PermanentError
from ibhelm_pipelines.objects.store import ObjectStore
from ibhelm_pipelines.safety.manifest_format import Index, Version, read_versions
from ibhelm_pipelines.safety.manifest_store import index_keys, opened_manifest, read_index
from ibhelm_pipelines.safety.moments import shown
from ibhelm_pipelines.safety.past import asked_path, lies_at, write_plan
from ibhelm_pipelines.safety.restore import nothing_there
from ibhelm_pipelines.safety.restore_report import RestoreReport
from ibhelm_pipelines.safety.restoring import PAUSES, Done, Restoring
from ibhelm_pipelines.safety.target import Target, disk_troubles

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from ibhelm_pipelines.safety.manifest_format import Entry
    from ibhelm_pipelines.safety.past import PastFile
    from ibhelm_pipelines.settings import Settings

_PLAN = "plan.jsonl"


def restore_from_bucket(
    settings: Settings,
    path: str,
    *,
    at: dt.datetime | None = None,
    target: Path,
    overwrite: bool = False,
    on_progress: Callable[[Done], None] | None = None,
    pauses: Sequence[float] = PAUSES,
) -> RestoreReport:
    """Write what stood at a path into a folder; arguments and errors as of `restore`, without those of a database.

    Args:
        at: the moment; None for the newest that the manifests know of.

    Raises:
        PermanentError: the bucket has no manifests, or nothing stood there then.
    """
    asked = asked_path(settings, path)
    with Target(settings, target) as folder:
        with disk_troubles(folder.folder), ObjectStore(settings) as store:
            store.check()
            known = _Known(store, at)
            plan = write_plan(folder.working / _PLAN, known.files(asked, folder.working / "candidates"))
        report = RestoreReport(path=asked, at=known.at, target=folder.folder)
        report.warnings, report.certain = known.warnings, known.certain
        if not plan.files and asked and known.certain:
            raise nothing_there(asked, known.at, known.similar_folders(asked))
        tell = on_progress or (lambda _: None)
        Restoring(settings, folder, plan, overwrite=overwrite, on_progress=tell, pauses=pauses).run(report)
    return report


class _Known:
    """What the manifests say.

    Attributes:
        at: the moment that was asked for.
        warnings: what was damaged, and what took its place.
        certain: whether they say all of that moment.
    """

    def __init__(self, store: ObjectStore, at: dt.datetime | None) -> None:
        self._store, self.warnings, self.certain = store, list[str](), True
        self._indexes = self._whole_indexes()
        newest = next(self._indexes, None)
        if newest is None:
            raise PermanentError(
                "The bucket has no manifests that can be read.",
                next_step="See whether IBHELM_S3_BUCKET names the right one; without manifests, restore the database"
                " first (docs/restore.md).",
            )
        self._newest, self._older = newest, list[Index]()
        self.at = at or newest.as_of
        self._say_if_later(newest, "The manifests are")

    def _whole_indexes(self) -> Iterator[Index]:
        """Yield the indexes, newest first; a damaged one is said and passed over."""
        for key in index_keys(self._store):
            index = read_index(self._store, key)
            if index is None:
                self.warnings.append(f"The list of manifests {key} is damaged; an older one is used instead.")
            else:
                yield index

    def _say_if_later(self, index: Index, what: str) -> None:
        if self.at > index.as_of:
            self.certain = False
            self.warnings.append(f"{what} of {shown(index.as_of)}: what changed later is not in them.")

    def files(self, asked: str, candidates: Path) -> Iterator[PastFile]:
        """Yield what stood at or below a path.

        Args:
            candidates: a file for what may be among it: of versions that overlap, because a clock was set back, the
                newer one counts, and that is known at the end only.
        """
        newest: dict[int, int] = {}
        with candidates.open("wb") as lines:
            for version in self._versions(asked):
                lines.write(version.as_line())
                newest[version.file_id] = max(version.version_id, newest.get(version.file_id, 0))
        with candidates.open("rb") as lines:
            versions = map(Version.from_line, lines)
            kept = (version for version in versions if newest[version.file_id] == version.version_id)
            for _, at_path in groupby(kept, key=lambda version: version.file.raw_path):
                yield max(at_path, key=lambda version: version.version_id).file

    def _versions(self, asked: str) -> Iterator[Version]:
        for entry in self._newest.entries:
            if not _may_hold(entry, asked):
                continue
            with ExitStack() as stack:
                file = self._opened(entry, stack)
                for version in read_versions(file) if file else ():
                    if version.holds_at(self.at) and lies_at(version.file.path, asked):
                        yield version

    def _opened(self, entry: Entry, stack: ExitStack) -> BinaryIO | None:
        """Open the manifest of a folder, or the newest older one that is whole."""
        file = stack.enter_context(opened_manifest(self._store, entry))
        if file is not None:
            return file
        what = entry.folder or "the files above the project folders"
        for index, older in self._older_manifests(entry):
            file = stack.enter_context(opened_manifest(self._store, older))
            if file is not None:
                self.warnings.append(f"The newest manifest of {what} is damaged; an older one is used instead.")
                self._say_if_later(index, f"The manifest of {what} is")
                return file
        self.certain = False
        self.warnings.append(f"The manifest of {what} is damaged, and there is no older one: nothing of it is known.")
        return None

    def _older_manifests(self, entry: Entry) -> Iterator[tuple[Index, Entry]]:
        self._older += list(self._indexes)
        for index in self._older:
            for each in index.entries:
                if each.raw_folder == entry.raw_folder and each.sha256 != entry.sha256:
                    yield index, each

    def similar_folders(self, asked: str) -> list[str]:
        """Return project folders that are spelt similarly."""
        folders = [entry.folder for entry in self._newest.entries if entry.raw_folder]
        return get_close_matches(asked, folders, n=5)


def _may_hold(entry: Entry, asked: str) -> bool:
    """Tell whether a folder's manifest can know something of a path."""
    return not entry.raw_folder or lies_at(entry.folder, asked) or lies_at(asked, entry.folder)
