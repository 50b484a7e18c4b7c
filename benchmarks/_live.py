"""The way from a vendor's webhook to a row, for the benchmarks of it: a database, the receiver and one worker."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import requests
from pydantic import SecretStr

from benchmarks._pipeline import pipeline_url
from ibhelm_pipelines.local.postgres import EmbeddedPostgres
from ibhelm_pipelines.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECRET = "secret of the benchmark"
PORT = 18_010
PATIENCE_SECONDS = 60


@contextmanager
def empty_office() -> Iterator[tuple[Path, str]]:
    """A folder, and the URL of a migrated database, for the length of the block."""
    with tempfile.TemporaryDirectory(prefix="ibhelm-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        (folder / "nas").mkdir()
        server = EmbeddedPostgres(folder=folder / "postgres")
        server.start()
        try:
            yield folder, pipeline_url(server)
        finally:
            server.stop()


def settings_of(folder: Path, database: str, **vendor: Any) -> Settings:
    return Settings(
        _env_file=None,
        nas_root=folder / "nas",
        state_dir=folder / "state",
        database_url=SecretStr(database),
        s3_endpoint="http://127.0.0.1:9",
        webhooks_port=PORT,
        **vendor,
    )


def measure(settings: Settings, change: Callable[[int], tuple[float, str, list[Any]]], get: Callable[[], None],
            *, changes: int, pause_seconds: float) -> None:  # fmt: skip
    """Print how long a change takes to its row, and how often as long that is as a bare GET.

    Args:
        settings: of the receiver and the worker.
        change: makes the change of a number; returns when, and a question that has an answer when the row is there.
        get: the bare GET.
        changes: how many.
        pause_seconds: before each.
    """
    with processes(settings, pause_seconds):
        seconds = []
        for number in range(changes):
            time.sleep(pause_seconds)
            seconds.append(_seconds_to_row(settings, *change(number)))
        reference = statistics.median(_seconds_of(get) for _ in range(changes))
    seconds.sort()
    median = statistics.median(seconds)
    print(
        f"webhook to row: median {median:.2f} s, 95th percentile {seconds[int(0.95 * len(seconds))]:.2f} s,"
        f" worst {seconds[-1]:.2f} s of {len(seconds)};"
        f" {median / reference:.1f} x one bare GET ({reference * 1000:.0f} ms)"
    )


@contextmanager
def processes(settings: Settings, pause_seconds: float) -> Iterator[None]:
    """Run the receiver and a worker until the end of the block."""
    given = settings.model_dump(exclude_none=True, exclude_defaults=True)
    written = {f"IBHELM_{name.upper()}": _written(value) for name, value in given.items()}
    commands = [[sys.executable, "-m", "ibhelm_pipelines.cli", command] for command in ("webhooks", "work")]
    started = [subprocess.Popen(command, env=os.environ | written, stderr=subprocess.DEVNULL) for command in commands]
    try:
        _wait_until_listening()
        time.sleep(pause_seconds)  # for the worker
        yield
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(30)


def _written(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _wait_until_listening() -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            requests.get(f"http://127.0.0.1:{PORT}/healthz", timeout=1)
        except requests.ConnectionError:
            time.sleep(0.2)
        else:
            return
    raise TimeoutError("the receiver does not listen")


def _seconds_to_row(settings: Settings, started: float, question: str, values: list[Any]) -> float:
    with psycopg.connect(settings.require_database_url(), autocommit=True) as connection:
        while time.perf_counter() - started < PATIENCE_SECONDS:
            if connection.execute(question, values).fetchone() is not None:
                return time.perf_counter() - started
            time.sleep(0.01)
    raise TimeoutError(f"nothing came for {question} {values}")


def _seconds_of(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
