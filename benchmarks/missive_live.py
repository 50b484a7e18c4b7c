"""Times the way from a mail in Missive to its row, over its webhook, against one bare GET of the same conversation.

    python -m benchmarks.missive_live [--mails 40] [--conversations 300]

The receiver and one worker run as processes, with the budget of a real account; the simulator signs and posts as
Missive does. The clock runs from the mail in the simulator until another connection sees it in `emails`; half a second
of that the worker waits for other rules to tell of the same. Prints median, 95th percentile and worst.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import psycopg
import requests
from pydantic import SecretStr

from benchmarks._pipeline import pipeline_url
from ibhelm_pipelines.demo.missive import actions
from ibhelm_pipelines.demo.missive.server import MissiveSimulator
from ibhelm_pipelines.demo.missive.writer import Writer
from ibhelm_pipelines.local.postgres import EmbeddedPostgres
from ibhelm_pipelines.settings import Settings
from ibhelm_pipelines.vendors.missive.sync import sync

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "secret of the benchmark"
PORT = 18_011
PLENTY = 100_000_000
PER_15_MINUTES = 900
"""The budget of a real account: the worker waits for it as it would there."""

PATIENCE_SECONDS = 60
PAUSE_SECONDS = 5.0
"""Between two mails: a conversation is four requests or more of one a second."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mails", type=int, default=40)
    parser.add_argument("--conversations", type=int, default=300)
    args = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="ibhelm-bench-") as name,
        MissiveSimulator(conversations=args.conversations, rate_limit=False) as missive,
    ):
        folder = Path(name)
        folder.chmod(0o711)
        server = EmbeddedPostgres(folder=folder / "postgres")
        server.start()
        try:
            measure(missive, pipeline_url(server), folder, args.mails)
        finally:
            server.stop()


def measure(missive: MissiveSimulator, database: str, folder: Path, mails: int) -> None:
    settings = settings_of(missive, database, folder)
    sync(settings.model_copy(update={"missive_requests_per_15_minutes": PLENTY}))
    url, organization = f"http://127.0.0.1:{PORT}/webhooks/missive", next(iter(missive.office.tables["organizations"]))
    missive.webhooks.add(kind="incoming_email", url=url, secret=SECRET, organization=organization)
    with processes(settings):
        seconds = sorted(seconds_to_row(missive, database, number) for number in range(mails))
        reference = statistics.median(seconds_to_get(missive) for _ in range(mails))
    median = statistics.median(seconds)
    print(
        f"webhook to row: median {median:.2f} s, 95th percentile {seconds[int(0.95 * len(seconds))]:.2f} s,"
        f" worst {seconds[-1]:.2f} s of {len(seconds)};"
        f" {median / reference:.1f} x one bare GET ({reference * 1000:.0f} ms)"
    )


def settings_of(missive: MissiveSimulator, database: str, folder: Path) -> Settings:
    nas = folder / "nas"
    nas.mkdir()
    return Settings(
        _env_file=None,
        nas_root=nas,
        state_dir=folder / "state",
        database_url=SecretStr(database),
        s3_endpoint="http://127.0.0.1:9",
        missive_url=missive.url,
        missive_token=SecretStr(missive.token),
        missive_allowed=tuple(f"team:{row['id']}" for row in missive.office.live("teams")),
        missive_requests_per_15_minutes=PER_15_MINUTES,
        missive_webhook_secret=SecretStr(SECRET),
        attachment_inbox="off",
        webhooks_port=PORT,
    )


@contextmanager
def processes(settings: Settings) -> Iterator[None]:
    """Run the receiver and a worker until the end of the block."""
    given = settings.model_dump(exclude_none=True, exclude_defaults=True)
    written = {f"IBHELM_{name.upper()}": _written(value) for name, value in given.items()}
    commands = [[sys.executable, "-m", "ibhelm_pipelines.cli", command] for command in ("webhooks", "work")]
    started = [subprocess.Popen(command, env=os.environ | written, stderr=subprocess.DEVNULL) for command in commands]
    try:
        wait_until_listening()
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


def wait_until_listening() -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            requests.get(f"http://127.0.0.1:{PORT}/healthz", timeout=1)
        except requests.ConnectionError:
            time.sleep(0.2)
        else:
            time.sleep(PAUSE_SECONDS)  # for the worker
            return
    raise TimeoutError("the receiver does not listen")


def seconds_to_row(missive: MissiveSimulator, database: str, number: int) -> float:
    """Let a mail come in; return when it is a row."""
    time.sleep(PAUSE_SECONDS)
    conversations = of_teams(missive)
    conversation, subject = conversations[number % len(conversations)], f"Neu {number} {time.time_ns()}"
    with missive.office.lock:
        writer = Writer(missive.office, Random(number))
        row = writer.mail(conversation, at=missive.office.now(), incoming=True, subject=subject)
        started = time.perf_counter()
        actions.add_message(missive.office, {**row, "subject": subject})
    with psycopg.connect(database, autocommit=True) as connection:
        while time.perf_counter() - started < PATIENCE_SECONDS:
            if connection.execute("select from emails where subject = %s", [subject]).fetchone() is not None:
                return time.perf_counter() - started
            time.sleep(0.01)
    raise TimeoutError(f"the mail {subject} never came")


def of_teams(missive: MissiveSimulator) -> list[dict[str, Any]]:
    return [row for row in missive.office.live("conversations") if row["team"] is not None]


def seconds_to_get(missive: MissiveSimulator) -> float:
    conversation = of_teams(missive)[0]
    started = time.perf_counter()
    headers = {"Authorization": f"Bearer {missive.token}"}
    answer = requests.get(f"{missive.url}/conversations/{conversation['id']}", headers=headers, timeout=30)
    answer.raise_for_status()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
