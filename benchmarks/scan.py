"""Times scans of a large share, each against a reference run beside it.

    python -m benchmarks.scan [--files 300000] [--folder DIR]

Prints one line per figure: no-change scan against `find -printf`, first scan in files per second beside hashing the
same files in a plain loop, rename of a folder with many files, and the peak memory of the scanning process. The tree
(tiny files, about 7 a directory, 200 project folders) is kept in --folder and built once. The reference and the
subject take turns, and the median of the ratios counts.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ibhelm_pipelines.db.migrations import migrate
from ibhelm_pipelines.local.postgres import EmbeddedPostgres
from ibhelm_pipelines.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

PROJECTS = 200
FILES_A_DIRECTORY = 7
RENAMED_FILES = 10_000
ROUNDS = 3


def build_tree(root: Path, files: int) -> None:
    """Make the tree once; an existing one of the same size is used as it is."""
    done = root.with_name(f"{root.name}-{files}.done")
    if done.exists():
        return
    shutil.rmtree(root, ignore_errors=True)
    number = 0
    for project in range(PROJECTS):
        for directory in range(-(-files // PROJECTS // FILES_A_DIRECTORY)):
            folder = root / "projekte" / f"{2301 + project}-Büro" / f"KGR {directory % 30}" / f"Übersicht {directory}"
            folder.mkdir(parents=True)
            for _ in range(min(FILES_A_DIRECTORY, files - number)):
                (folder / f"Lüftungskonzept {number:06d}.txt").write_bytes(b"%d" % number)
                number += 1
    (root / ".ibhelm-share").touch()
    done.touch()


def timed(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def find(root: Path) -> None:
    """The reference: what GNU find needs to tell the same facts."""
    subprocess.run(["find", root, "-printf", "%i %s %T@ %p\\n"], stdout=subprocess.DEVNULL, check=True)


def scan_in_own_process(settings: Settings) -> tuple[float, int, int]:
    """Scan in a fresh process; returns seconds without the interpreter's start, peak memory in MiB, bytes hashed."""
    code = (
        "import resource, sys, time; from ibhelm_pipelines.nas.scan import scan;"
        "from ibhelm_pipelines.settings import Settings; s = Settings.model_validate_json(sys.argv[1]);"
        "t = time.perf_counter(); r = scan(s, deep=True);"
        "print(time.perf_counter() - t, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, r.bytes_hashed)"
    )
    plain = {"nas_root": str(settings.nas_root), "database_url": settings.require_database_url()}
    out = subprocess.run([sys.executable, "-c", code, json.dumps(plain)], capture_output=True, text=True, check=True)
    seconds, memory, size = out.stdout.split()
    return float(seconds), int(memory), int(size)


def hash_in_a_loop(root: Path) -> None:
    for folder, _, names in os.walk(root):
        for name in names:
            with Path(folder, name).open("rb", buffering=0) as file:
                hashlib.sha256(file.read()).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=300_000)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "ibhelm-benchmark")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    root = args.folder / "nas"
    build_tree(root, args.files)
    with tempfile.TemporaryDirectory(prefix="ibhelm-bench-") as name:
        Path(name).chmod(0o711)
        server = EmbeddedPostgres(folder=Path(name) / "postgres")
        server.start()
        try:
            measure(root, Settings(_env_file=None, nas_root=root, database_url=server.url()), args.files)
        finally:
            server.stop()


def measure(root: Path, settings: Settings, files: int) -> None:
    migrate(settings.require_database_url())
    loop = timed(lambda: hash_in_a_loop(root))
    seconds, memory, _ = scan_in_own_process(settings)
    print(
        f"first scan: {files / seconds:,.0f} files/s, {seconds / loop:.2f} x a plain hashing loop ({loop:.1f} s),"
        f" {memory} MiB"
    )
    ratios = []
    for _ in range(ROUNDS):
        reference = timed(lambda: find(root))
        seconds, memory, size = scan_in_own_process(settings)
        assert size == 0, "a no-change scan reads nothing"
        ratios.append(seconds / reference)
        print(f"no change: {seconds:.2f} s, find {reference:.2f} s, ratio {ratios[-1]:.2f}, {memory} MiB")
    print(f"no change: median {statistics.median(ratios):.2f} x find")
    measure_rename(root, settings, files)


def measure_rename(root: Path, settings: Settings, files: int) -> None:
    projects = sorted((root / "projekte").iterdir())[: -(-RENAMED_FILES * PROJECTS // files)]
    old, new = root / "projekte", root / "umbenannt"
    new.mkdir()
    for project in projects:
        project.rename(new / project.name)
    try:
        seconds, memory, size = scan_in_own_process(settings)
        count = sum(len(names) for _, _, names in os.walk(new))
        print(f"rename of {count} files: {seconds:.2f} s, {size} bytes read, {memory} MiB")
    finally:
        for project in projects:
            (new / project.name).rename(old / project.name)
        new.rmdir()


if __name__ == "__main__":
    main()
