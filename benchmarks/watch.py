"""Times the watcher on a large share: its start against `find -type d` beside it, a saved file until its inbox row.

    python -m benchmarks.watch [--directories 40000] [--folder DIR]

Prints one line per figure: the start of both kinds of watching (in a process of their own, without the interpreter's
start), one look of the polling, the time from a save to the committed row in the inbox (median and 95th percentile;
half a second of it is the pause that tells that a file is quiet), and the memory of the watcher. Reference and subject
take turns, and the median of the ratios counts. The tree is kept in --folder and built once.
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
from typing import TYPE_CHECKING

import psutil
import psycopg

from ibhelm_pipelines.db.migrations import migrate
from ibhelm_pipelines.local.postgres import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECTS = 200
ROUNDS = 3
SAVES = 100

START = """
import resource, sys, time
from ibhelm_pipelines.live.inotify_tree import InotifyTree
from ibhelm_pipelines.live.polling import PollTree
from ibhelm_pipelines.nas.ignore import IgnoreRules
from ibhelm_pipelines.settings import Settings
rules, root = IgnoreRules.from_settings(Settings(_env_file=None)), sys.argv[2].encode()
started = time.perf_counter()
with InotifyTree(root, rules) if sys.argv[1] == "inotify" else PollTree(root, rules, threads=1) as tree:
    ready = time.perf_counter()
    looked = tree.look() if sys.argv[1] == "poll" else None
    print(ready - started, time.perf_counter() - ready, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""
WATCH = "from ibhelm_pipelines.live.watcher import watch; from ibhelm_pipelines.settings import load_settings; "
COMMANDS = {
    "the watcher alone": [sys.executable, "-c", f"{WATCH} watch(load_settings())"],
    "ibhelm watch": [sys.executable, "-m", "ibhelm_pipelines.cli", "watch"],
}


def build_tree(root: Path, directories: int) -> None:
    """Make the tree once; an existing one of the same size is used as it is."""
    done = root.with_name(f"{root.name}-{directories}.done")
    if done.exists():
        return
    for project in range(PROJECTS):
        for number in range(directories // PROJECTS):
            folder = root / "projekte" / f"{2301 + project}-Büro" / f"KGR {number % 30}" / f"Übersicht {number}"
            folder.mkdir(parents=True, exist_ok=True)
            for file in range(7):
                (folder / f"Lüftungskonzept {file}.txt").touch()
    (root / ".ibhelm-share").touch()
    done.touch()


def find(root: Path) -> float:
    started = time.perf_counter()
    subprocess.run(["find", root, "-type", "d"], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def measure_start(root: Path, mode: str) -> None:
    ratios = []
    for _ in range(ROUNDS):
        reference = find(root)
        out = subprocess.run([sys.executable, "-c", START, mode, root], capture_output=True, text=True, check=True)
        start, look, memory = map(float, out.stdout.split())
        ratios.append(start / reference)
        looked = f", one look {look:.2f} s" if mode == "poll" else ""
        print(f"{mode}: start {start:.2f} s, find {reference:.2f} s, ratio {ratios[-1]:.2f}{looked}, {memory:.0f} MiB")
    print(f"{mode}: median {statistics.median(ratios):.2f} x find")


@contextmanager
def watcher(command: list[str], root: Path, url: str, state_dir: Path) -> Iterator[psutil.Process]:
    """The watcher as a process, watching."""
    values = {"IBHELM_NAS_ROOT": str(root), "IBHELM_DATABASE_URL": url, "IBHELM_STATE_DIR": str(state_dir)}
    process = subprocess.Popen(command, env=os.environ | values, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            while not connection.execute(
                "select from ops.heartbeats where pid = %s and (state ->> 'directories')::int > 0", [process.pid]
            ).fetchall():
                time.sleep(0.05)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def measure_latency(root: Path, url: str) -> None:
    projects = sorted((root / "projekte").iterdir())
    saved = {}
    for number in range(SAVES):
        path = projects[number % len(projects)] / f"Gespeichert {time.time_ns()}.txt"
        path.write_text("saved")
        saved[os.fsencode(path.relative_to(root))] = time.time()
        time.sleep(0.05)
    time.sleep(3)
    with psycopg.connect(url) as connection:
        rows = connection.execute("select key, extract(epoch from first_event_at)::float from ops.inbox").fetchall()
    for raw in saved:
        (root / os.fsdecode(raw)).unlink()
    took = sorted(row - saved[key] for key, row in rows if key in saved)
    print(
        f"save to row: {len(took)} of {SAVES}, median {took[len(took) // 2]:.2f} s, p95 {took[-len(took) // 20]:.2f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--directories", type=int, default=40_000)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "ibhelm-benchmark-watch")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    root = args.folder / "nas"
    build_tree(root, args.directories)
    for mode in ("inotify", "poll"):
        measure_start(root, mode)
    with tempfile.TemporaryDirectory(prefix="ibhelm-bench-") as name:
        Path(name).chmod(0o711)
        server = EmbeddedPostgres(folder=Path(name) / "postgres")
        server.start()
        try:
            migrate(server.url())
            for title, command in COMMANDS.items():
                with watcher(command, root, server.url(), Path(name) / "state") as process:
                    measure_latency(root, server.url())
                    print(f"{title}: {process.memory_info().rss >> 20} MiB resident")
        finally:
            server.stop()


if __name__ == "__main__":
    main()
