"""`ibhelm scan`: the job that the schedules run, started by hand, with a progress bar and an exit status that tells.

It starts `dagster job execute` as a process of its own (nothing here imports Dagster), so that the run is in the UI
like every other. The run writes its summary to a file that this command names; what is open afterwards comes from the
same questions as Dagster's asset checks.
"""

from __future__ import annotations

import difflib
import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from ibhelm_pipelines.cli_progress import STEPS, RunProgress
from ibhelm_pipelines.db.checks import FILE_QUESTIONS, Answer, ask
from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import ConfigurationError, IbhelmError, TransientError
from ibhelm_pipelines.local.dagster_process import dagster_environment
from ibhelm_pipelines.nas.folders import list_folders
from ibhelm_pipelines.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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
    scan: dict[str, Any] = field(default_factory=dict)
    steps: dict[str, Any] = field(default_factory=dict)
    open: list[dict[str, str]] = field(default_factory=list)
    warnings: list[dict[str, str]] = field(default_factory=list)

    @property
    def status(self) -> str:
        """Failed, open, or stored."""
        return "failed" if self.error is not None else "open" if self.open else "stored"

    @property
    def exit_status(self) -> int:
        return {"failed": EXIT_FAILED, "open": EXIT_OPEN, "stored": EXIT_STORED}[self.status]


@click.command("scan")
@click.argument("folders", nargs=-1)
@click.option("--deep", is_flag=True, help="Also re-read the files whose turn it is.")
@click.option(
    "--confirm-deletions", type=int, metavar="SCAN_ID", help="Allow the deletions that this scan refused, once."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
def scan_command(folders: tuple[str, ...], deep: bool, confirm_deletions: int | None, as_json: bool) -> None:
    """Scan the NAS, or some of its project FOLDERS, store what is new, make previews and text.

    \b
    Exit status:
      0    everything is stored
      1    the run failed; the message says why
      3    the run finished, but something is open: unreadable files, refused deletions, contents not stored
      130  stopped by Ctrl-C; what was stored stays, the next scan goes on from there
    """
    console = Console(stderr=True)
    config = {
        "folders": sorted(set(folders)) or None,
        "deep": deep,
        "confirm_deletions": confirm_deletions,
    }
    try:
        outcome = _scan(load_settings(), console, config)
    except IbhelmError as error:
        outcome = Outcome(error=str(error))
    except KeyboardInterrupt:
        console.print("Stopped. What was stored stays; the next scan goes on from there.")
        sys.exit(EXIT_STOPPED)
    _show(outcome, as_json=as_json)
    sys.exit(outcome.exit_status)


def _scan(settings: Settings, console: Console, config: dict[str, Any]) -> Outcome:
    url = settings.require_database_url()
    _require_folders(settings, config["folders"] or [])
    with _exchange_folder(config) as folder:
        with RunProgress(url, console, folders=config["folders"], deep=config["deep"]) as progress:
            exit_status = _run_job(settings, folder, progress, deep=config["deep"])
        summary = _read_summary(folder, exit_status)
    answers = _ask_all(url)
    return Outcome(
        **summary,
        open=[_open_point(a) for a in answers if not a.passed and a.question.severity == "error"] or _restless(summary),
        warnings=[_open_point(a) for a in answers if not a.passed and a.question.severity == "warning"],
    )


@contextmanager
def _exchange_folder(config: dict[str, Any]) -> Iterator[Path]:
    """Make the folder over which the run and this command talk, with the run's configuration in it.

    Raises:
        TransientError: there is no room for it, or no right.
    """
    with ExitStack() as stack:
        try:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ibhelm-scan-")))
            _write_config(folder, config)
        except OSError as error:
            raise TransientError(
                f"The folder for temporary files {tempfile.gettempdir()} cannot be used: {error.strerror}.",
                next_step="Make room there, or set TMPDIR to another folder.",
            ) from error
        yield folder


def _write_config(folder: Path, config: dict[str, Any]) -> None:
    op_config = {key: value for key, value in config.items() if value is not None}
    op_config["report_path"] = str(folder / "summary.json")
    text = json.dumps({"ops": {"scan_and_derive": {"config": op_config}}})
    (folder / "config.yaml").write_text(text, encoding="utf-8")


def _require_folders(settings: Settings, folders: Sequence[str]) -> None:
    """Say at once what a run would only say after its retries: the share is away, or a folder is misspelt.

    Raises:
        ShareUnavailableError: the share is not there.
        ConfigurationError: a folder is neither on the share nor known from before.
    """
    on_disk = list_folders(settings)
    with connect(settings.require_database_url(), application="scan", autocommit=True) as connection:
        known = {name for (name,) in connection.execute(load_queries("progress")["known_folders"])}
    unknown = sorted(set(folders).difference(on_disk, known))
    if unknown:
        near = difflib.get_close_matches(unknown[0], on_disk, n=3) or on_disk[:3]
        raise ConfigurationError(
            f"There is no project folder {unknown[0]} on the share.", next_step=f"Did you mean {', '.join(near)}?"
        )


def _run_job(settings: Settings, folder: Path, progress: RunProgress, *, deep: bool) -> int:
    with _started(settings, folder, deep=deep) as process:
        while True:
            try:
                return process.wait(POLL_SECONDS)
            except subprocess.TimeoutExpired:
                progress.update()


@contextmanager
def _started(settings: Settings, folder: Path, *, deep: bool) -> Iterator[subprocess.Popen[bytes]]:
    """Run the job as a process of its own session: a Ctrl-C reaches only us, and we stop it in good order."""
    environment = {**os.environ, **dagster_environment(settings)}
    tags = {"ibhelm/deep": "true"} if deep else {}
    command = [sys.executable, "-m", "dagster", "job", "execute", "-m", "ibhelm_pipelines.definitions"]
    command += ["-j", "scan", "-c", str(folder / "config.yaml"), "--tags", json.dumps(tags)]
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
        log = (folder / "log").read_text(encoding="utf-8", errors="replace").splitlines()
        summary["error"] = "\n".join(["The run ended early; the end of its log:", *log[-LOG_LINES:]])
    return summary


def _ask_all(url: str) -> list[Answer]:
    with connect(url, application="scan", autocommit=True) as connection:
        return [ask(connection, question) for question in FILE_QUESTIONS]


def _open_point(answer: Answer) -> dict[str, str]:
    return {"check": answer.question.name, "problem": answer.problem, "next_step": answer.next_step}


def _restless(summary: dict[str, Any]) -> list[dict[str, str]]:
    """Name what no table keeps: names that were listed and then gone, so that nothing was concluded in their folder."""
    if summary.get("scan", {}).get("state") != "incomplete":
        return []
    problem = "Files or folders were renamed or removed while the scan looked at them."
    return [{"check": "restless_share", "problem": problem, "next_step": "Scan again; the next scan settles it."}]


def _show(outcome: Outcome, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"status": outcome.status, **asdict(outcome)}, ensure_ascii=False))
        return
    console = Console()
    if outcome.scan:
        console.print(_scan_table(outcome.scan))
    if outcome.steps:
        console.print(_steps_table(outcome.steps))
    for title, points in (("Open", outcome.open), ("Note", outcome.warnings)):
        for point in points:
            console.print(f"{title}: {point['problem']} {point['next_step']}", markup=False)
    if outcome.error is not None:
        click.echo(f"Error: {outcome.error}", err=True)
    elif not outcome.open:
        console.print("Everything is stored.")


def _scan_table(scan: dict[str, Any]) -> Table:
    total: dict[str, int] = scan["total"]
    table = _table(f"Scan {scan['scan_id']}, {scan['seconds']:.1f} s, {scan['state']}", list(total))
    table.add_row(*(f"{count:,}" for count in total.values()))
    return table


def _steps_table(steps: dict[str, Any]) -> Table:
    table = _table("Contents", ["step", *next(iter(steps.values()))["total"], "seconds"])
    for step, report in steps.items():
        table.add_row(STEPS[step], *(f"{count:,}" for count in report["total"].values()), f"{report['seconds']:.1f}")
    return table


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, justify="left" if column == "step" else "right", no_wrap=True)
    return table
