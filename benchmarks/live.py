"""Times how long a saved file takes to become a row, a preview, text and a line of history in the Dagster UI.

    python -m benchmarks.live [--saves 50] [--office 600] [--no-worker]

Starts the whole stack on a generated office, scans it, then saves small PDFs one after the other, as a person does, and
prints the distribution, split into debounce (save -> inbox), queue (inbox -> a worker has it) and work. The reference
is the poorest pipeline there is: hash, preview and text of the same PDF by bare library calls in this process.
With --no-worker the worker is stopped first: what remains is the drain run.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pymupdf

from ibhelm_pipelines.db.live import LIVE_CHANNEL
from ibhelm_pipelines.demo.share import generated_share
from ibhelm_pipelines.local.records import WORKER, recorded
from ibhelm_pipelines.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_SECONDS = 180
PAUSE_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Saved:
    """One saved file: seconds from its save to each station; `debounce`, `queue` and `work` add up to `row`."""

    debounce: float
    queue: float
    work: float
    row: float
    preview: float
    text: float
    history: float = 0


@dataclass(frozen=True, kw_only=True)
class Save:
    """Which file was saved: its folder, and when, and when its row was there, in seconds since 1970."""

    folder: str
    saved: float
    row: float


TOLD = """select extract(epoch from min(timestamp)) from event_logs
    where dagster_event_type = 'ASSET_MATERIALIZATION' and asset_key = '["nas_files"]' and partition = %s
        and timestamp > to_timestamp(%s) at time zone 'UTC'"""
"""When Dagster first had a materialisation of this folder after this moment."""


def make_pdf(path: Path, number: int) -> None:
    """Write a one-page PDF that nobody has seen before."""
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_text(
            (72, 72), f"Besprechungsprotokoll {number}: Lüftung, Kälte, Brandschutzklappen {time.time_ns()}"
        )
        document.save(path)


@contextlib.contextmanager
def running_stack(environment: dict[str, str]) -> Iterator[None]:
    def ibhelm(*arguments: str) -> None:
        subprocess.run([sys.executable, "-m", "ibhelm_pipelines.cli", *arguments], env=environment, check=True)

    try:
        ibhelm("up", "--detach")
        ibhelm("scan")
        yield
    finally:
        ibhelm("down")


def one(connection: psycopg.Connection, query: str, *values: Any) -> Any:
    row = connection.execute(query, values).fetchone()  # type: ignore[arg-type]
    return row[0] if row else None


def wait_for(connection: psycopg.Connection, query: str, *values: Any) -> float:
    """Return the time at which the query had an answer."""
    deadline = time.time() + LONGEST_SECONDS
    while time.time() < deadline:
        answer = one(connection, query, *values)
        if answer is not None:
            return float(answer)
        time.sleep(0.01)
    raise SystemExit(f"Not there after {LONGEST_SECONDS} s: {query}")


def save_and_wait(
    connection: psycopg.Connection, listener: psycopg.Connection, root: Path, number: int
) -> tuple[Save, Saved]:
    folder = sorted(p for p in root.glob("*/*") if p.is_dir())[number % 7]
    path = folder / f"Live-Protokoll {number:03d} {time.time_ns()}.pdf"
    make_pdf(path, number)
    saved = time.time()
    enqueued = saved
    for notice in listener.notifies(timeout=LONGEST_SECONDS, stop_after=1):
        enqueued = time.time() if notice.payload == "nas" else saved
    relative = str(path.relative_to(root))
    wait_for(connection, "select 1 from files where path = %s and deleted_at is null", relative)
    row = time.time()
    began = one(connection, "select extract(epoch from max(started_at)) from ops.scans where paths is not null")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    done = "select extract(epoch from finished_at) from ops.step_results where content_hash = %s and step = %s"
    preview, text = (wait_for(connection, done, digest, step) for step in ("thumbnail", "text"))
    began = min(max(float(began or row), enqueued), row)
    time.sleep(PAUSE_SECONDS)
    for _ in listener.notifies(timeout=0):
        pass  # those of the contents
    key = one(connection, "select folder from files where path = %s", relative)
    return Save(folder=key, saved=saved, row=row), Saved(
        debounce=enqueued - saved, queue=began - enqueued, work=row - began,
        row=row - saved, preview=preview - saved, text=text - saved,
    )  # fmt: skip


def bare_libraries(folder: Path, saves: int) -> float:
    """The reference: seconds a file for hash, preview and text without anything around them."""
    seconds = []
    for number in range(saves):
        path = folder / f"{number}.pdf"
        make_pdf(path, number)
        started = time.perf_counter()
        hashlib.sha256(path.read_bytes()).hexdigest()
        with pymupdf.open(path) as document:
            page = document[0]
            page.get_pixmap(matrix=pymupdf.Matrix(0.5, 0.5)).pil_tobytes(format="WEBP")
            page.get_text()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def show(name: str, values: list[float]) -> None:
    ordered = sorted(values)
    p95 = ordered[max(0, round(len(ordered) * 0.95) - 1)]
    print(
        f"{name:9} median {statistics.median(values):7.3f} s   p95 {p95:7.3f} s   worst {ordered[-1]:7.3f} s",
        flush=True,
    )


def stop_worker(state_dir: Path) -> None:
    """Stop the worker for good: the supervisor would start it again, so it is halted instead of ended."""
    record, _ = recorded(state_dir)[WORKER]
    os.kill(record.pid, signal.SIGSTOP)


def continue_worker(state_dir: Path) -> None:
    record, _ = recorded(state_dir)[WORKER]
    os.kill(record.pid, signal.SIGCONT)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--saves", type=int, default=50)
    parser.add_argument("--office", type=int, default=600, help="files of the generated office")
    parser.add_argument("--no-worker", action="store_true", help="halt the worker: what the drain run needs")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ibhelm-bench-live-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        share = generated_share(arguments.office, Path(folder) / "state")
        share.remember()
        os.environ.update(share.environment | {"IBHELM_DAGSTER_PORT": "0", "IBHELM_WEB_PORT": "0"})
        with running_stack(dict(os.environ)):
            measure(Path(share.nas_root), Path(share.state_dir), arguments.saves, no_worker=arguments.no_worker)


def measure(root: Path, state_dir: Path, saves: int, *, no_worker: bool) -> None:
    settings = load_settings()
    url = settings.require_database_url()
    with psycopg.connect(url, autocommit=True) as connection, psycopg.connect(url, autocommit=True) as listener:
        wait_for(connection, "select 1 where not exists (select from ops.inbox)")
        listener.execute(f"listen {LIVE_CHANNEL}")
        if no_worker:
            stop_worker(state_dir)
        try:
            measured = [save_and_wait(connection, listener, root, number) for number in range(saves)]
        finally:
            if no_worker:
                continue_worker(state_dir)
        assert settings.dagster_database_url is not None
        with psycopg.connect(settings.dagster_database_url.get_secret_value(), autocommit=True) as dagster:
            results = [
                replace(result, history=wait_for(dagster, TOLD, save.folder, save.row) - save.saved)
                for save, result in measured
            ]
        for name in Saved.__dataclass_fields__:
            show(name, [getattr(result, name) for result in results])
        with tempfile.TemporaryDirectory() as bare:
            reference = bare_libraries(Path(bare), saves)
        slowest = statistics.median(max(result.preview, result.text) for result in results)
        print(f"all done  median {slowest:7.3f} s = {slowest / reference:.0f} x bare library calls ({reference:.4f} s)")


if __name__ == "__main__":
    main()
