"""What `ibhelm scan` and `ibhelm sync` have in common: a job of Dagster's, started by hand, with an exit status that
tells.

It starts `dagster job execute` as a process of its own (nothing here imports Dagster), so that the run is in the UI
like every other. The run writes its summary to a file that the command names; what is open afterwards comes from the
same questions as Dagster's asset checks.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click
from rich.table import Table

from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.question import ask
from ibhelm_pipelines.errors import IbhelmError, TransientError
from ibhelm_pipelines.local.dagster_process import dagster_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from rich.console import Console
    from rich.status import Status

    from ibhelm_pipelines.db.question import Answer, Question
    from ibhelm_pipelines.settings import Settings

EXIT_STORED, EXIT_FAILED, EXIT_OPEN, EXIT_STOPPED = 0, 1, 3, 130

POLL_SECONDS = 1.0
STOP_SECONDS = 60
"""How long a stopped run may take to finish its chunk and say goodbye to Dagster."""

LOG_LINES = 15
"""Lines of the run's log that are shown when it died without a summary."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run left: its summary, and what the tables say is open."""

    run_id: str | None = None
    error: str | None = None
    open: list[dict[str, str]] = field(default_factory=list)
    warnings: list[dict[str, str]] = field(default_factory=list)

    @property
    def status(self) -> str:
        """Failed, open, or stored."""
        return "failed" if self.error is not None else "open" if self.open else "stored"

    @property
    def exit_status(self) -> int:
        return {"failed": EXIT_FAILED, "open": EXIT_OPEN, "stored": EXIT_STORED}[self.status]


@dataclass(frozen=True, kw_only=True)
class KeptOutcome(Outcome):
    """What a run left that keeps assets in line: numbers by asset."""

    assets: dict[str, dict[str, Any]] = field(default_factory=dict)


Left = TypeVar("Left", bound=Outcome)


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job of Dagster's with one op.

    Attributes:
        tags: of the run, as the schedules give them.
    """

    name: str
    op: str
    config: Mapping[str, Any]
    tags: Mapping[str, str]


@contextmanager
def exchange_folder(job: Job) -> Iterator[Path]:
    """Make the folder over which the run and the command talk, with the run's configuration in it.

    Raises:
        TransientError: there is no room for it, or no right.
    """
    with ExitStack() as stack:
        try:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"ibhelm-{job.name}-")))
            _write_config(folder, job)
        except OSError as error:
            raise TransientError(
                f"The folder for temporary files {tempfile.gettempdir()} cannot be used: {error.strerror}.",
                next_step="Make room there, or set TMPDIR to another folder.",
            ) from error
        yield folder


def run_job(settings: Settings, job: Job, folder: Path, watch: Callable[[], None]) -> dict[str, Any]:
    """Run the job to its end, and return its summary.

    Args:
        settings: of this process.
        job: what to run.
        folder: in which its configuration is.
        watch: called every second meanwhile.
    """
    with _started(settings, job, folder) as process:
        while True:
            try:
                exit_status = process.wait(POLL_SECONDS)
            except subprocess.TimeoutExpired:
                watch()
            else:
                return _read_summary(folder, exit_status)


def keep_now(settings: Settings, console: Console, job: Job, questions: Sequence[Question]) -> KeptOutcome:
    """Run a job that keeps assets in line, and return what it left.

    Args:
        settings: of this process.
        console: shows what is being done.
        job: what to run.
        questions: what could be wrong afterwards.

    Raises:
        DatabaseUnavailableError: Postgres does not answer; said at once, and not after the run's retries.
        TransientError: there is no room or no right for the exchange with the run.
    """
    url = settings.require_database_url()
    ask_all(url, ())
    with exchange_folder(job) as folder, console.status("Starting the run") as status:
        summary = run_job(settings, job, folder, lambda: _show_progress(status, folder))
    points = [open_point(answer) for answer in ask_all(url, questions) if not answer.passed]
    return KeptOutcome(
        run_id=summary.get("run_id"),
        error=summary.get("error"),
        warnings=points,
        assets=summary.get("assets", {}),
    )


def carry_out(work: Callable[[], Left], kind: type[Left], show: Callable[[Left], None], console: Console) -> NoReturn:
    """Do a job for whoever called the command, show what came of it, and end with the status that says so.

    Args:
        work: runs the job and returns what it left.
        kind: of outcome, for what could not even begin.
        show: prints it.
        console: on which is said that it was stopped.
    """
    try:
        outcome = work()
    except IbhelmError as error:
        outcome = kind(error=str(error))
    except KeyboardInterrupt:
        console.print("Stopped. What was stored stays; the next run goes on from there.")
        sys.exit(EXIT_STOPPED)
    show(outcome)
    sys.exit(outcome.exit_status)


def ask_all(url: str, questions: Sequence[Question]) -> list[Answer]:
    """Ask the tables what is open."""
    with connect(url, application="command", autocommit=True) as connection:
        return [ask(connection, question) for question in questions]


def open_point(answer: Answer) -> dict[str, str]:
    """Return what is open as people and machines read it."""
    return {"check": answer.question.name, "problem": answer.problem, "next_step": answer.next_step}


def show_end(console: Console, outcome: Outcome) -> None:
    """Print what is open, and how it ended."""
    for title, points in (("Open", outcome.open), ("Note", outcome.warnings)):
        for point in points:
            console.print(f"{title}: {point['problem']} {point['next_step']}", markup=False)
    if outcome.error is not None:
        click.echo(f"Error: {outcome.error}", err=True)
    elif not outcome.open:
        console.print("Everything is stored.")


def table(title: str, columns: Sequence[str]) -> Table:
    """Return an empty table; its first column is text where it is not a number's name."""
    made = Table(title=title, title_justify="left")
    for column in columns:
        made.add_column(column, justify="left" if column in ("step", "asset") else "right", no_wrap=True)
    return made


def _show_progress(status: Status, folder: Path) -> None:
    path = folder / "progress"
    if path.exists():
        status.update(path.read_text(encoding="utf-8").replace("_", " "))


def _write_config(folder: Path, job: Job) -> None:
    op_config = {key: value for key, value in job.config.items() if value is not None}
    op_config["report_path"] = str(folder / "summary.json")
    text = json.dumps({"ops": {job.op: {"config": op_config}}})
    (folder / "config.yaml").write_text(text, encoding="utf-8")


@contextmanager
def _started(settings: Settings, job: Job, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the job as a process of its own session: a Ctrl-C reaches only us, and we stop it in good order."""
    environment = {**os.environ, **dagster_environment(settings)}
    command = [sys.executable, "-m", "dagster", "job", "execute", "-m", "ibhelm_pipelines.definitions"]
    command += ["-j", job.name, "-c", str(folder / "config.yaml"), "--tags", json.dumps(dict(job.tags))]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            env=environment,
            cwd=environment["DAGSTER_HOME"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _read_summary(folder: Path, exit_status: int) -> dict[str, Any]:
    """Return what the run wrote; a run that died before it could write gets the end of its log as its error."""
    path = folder / "summary.json"
    summary: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if exit_status and not summary.get("error"):
        summary["error"] = early_end((folder / "log").read_text(encoding="utf-8", errors="replace"))
    return summary


def early_end(log: str) -> str:
    """Return why a run ended that could not say it itself."""
    if os.strerror(errno.ENOSPC) in log:
        return (
            "A disk is full: Postgres, or the run itself, had no room left. Nothing is lost. Make room (`ibhelm doctor`"
            " says on which disk), then run this again; it goes on where it ended."
        )
    return "\n".join(["The run ended early; the end of its log:", *log.splitlines()[-LOG_LINES:]])
