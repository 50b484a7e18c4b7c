"""The live progress of a run, read from the tables that the run writes; it asks at most once a second and changes
nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.rows import TupleRow
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from ibhelm_pipelines.db.connect import Connection, connect, translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import DatabaseUnavailableError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from rich.console import Console

STEPS = {"store": "Storing originals", "thumbnail": "Making previews", "text": "Reading text"}
PHASES = {
    "walk": "Walking the share",
    "compare": "Comparing with the tables",
    "hash": "Reading new files",
    "delete": "Looking for what is gone",
    "verify": "Reading old files again",
    "done": "Scanned",
}
WAITING = "Starting the run"
_MEGABYTE = 1_000_000


class RunProgress:
    """Bars for one run: the scan first, then one for each step that has something to do."""

    def __init__(self, url: str, console: Console, *, folders: Sequence[str] | None, deep: bool) -> None:
        self._url = url
        self._scope = {"folders": folders, "deep": deep}
        self._sql = load_queries("progress")
        self._connection: Connection | None = None
        self._after, self._since = self._newest_scan()
        self._progress = Progress(
            TextColumn("{task.description:<26}"),
            BarColumn(),
            TextColumn("{task.fields[numbers]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._scan_task = self._progress.add_task(WAITING, total=None, numbers="")
        self._step_tasks: dict[str, TaskID] = {}

    def __enter__(self) -> RunProgress:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()
        if self._connection is not None:
            self._connection.close()

    def update(self) -> None:
        """Show where the run stands now; a database that does not answer is shown too: the run waits likewise."""
        try:
            self._update()
        except DatabaseUnavailableError:
            self._connection = None
            self._progress.update(self._scan_task, description="Postgres does not answer")

    def _update(self) -> None:
        if not self._step_tasks and not self._update_scan():
            return
        if not self._step_tasks:
            self._add_steps()
        self._update_steps()

    def _update_scan(self) -> bool:
        """Return whether the scan is over."""
        rows = self._ask("scan_since", {"after": self._after, **self._scope})
        if not rows:
            return False
        _, state, phase, seen, to_hash, hashed, bytes_to_hash, bytes_hashed = rows[0]
        files = f"{hashed:,} of {to_hash:,} files" if to_hash else f"{seen:,} files"
        speed = self._speed(self._scan_task) / _MEGABYTE
        rate = f", {bytes_hashed / _MEGABYTE:,.0f} of {bytes_to_hash / _MEGABYTE:,.0f} MB, {speed:,.0f} MB/s"
        self._progress.update(
            self._scan_task,
            description=PHASES.get(phase, phase),
            total=bytes_to_hash or None,
            completed=bytes_hashed,
            numbers=files + (rate if bytes_to_hash else ""),
        )
        return bool(state in {"complete", "incomplete"})

    def _add_steps(self) -> None:
        self._progress.update(self._scan_task, total=1, completed=1)
        finished = self._finished_contents()
        for step, description in STEPS.items():
            ((missing,),) = self._ask("missing_contents", {"folders": self._scope["folders"], "step": step})
            total = missing + finished.get(step, 0)
            self._step_tasks[step] = self._progress.add_task(description, total=total, numbers="", visible=total > 0)

    def _update_steps(self) -> None:
        finished = self._finished_contents()
        for step, task_id in self._step_tasks.items():
            done, total = finished.get(step, 0), self._progress.tasks[task_id].total
            numbers = f"{done:,} of {total:,.0f}, {self._speed(task_id):,.0f}/s"
            self._progress.update(task_id, completed=done, numbers=numbers)

    def _speed(self, task_id: TaskID) -> float:
        task = self._progress.tasks[task_id]
        return task.finished_speed or task.speed or 0

    def _finished_contents(self) -> dict[str, int]:
        return dict(self._ask("finished_contents", {"since": self._since}))

    def _newest_scan(self) -> tuple[int, dt.datetime]:
        ((newest, now),) = self._ask("newest_scan", {})
        return newest, now

    def _ask(self, name: str, values: dict[str, object]) -> list[TupleRow]:
        if self._connection is None:
            self._connection = connect(self._url, application="progress", autocommit=True)
        with translated_errors():
            return self._connection.execute(self._sql[name], values).fetchall()
