"""Times the sandbox against the bare library, file by file, in turns: what being locked in costs one content.

    python -m benchmarks.sandbox [--rounds 30]

A letter is the median file of an office. The last file is too large to be copied and so gets a process of its own.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ibhelm_pipelines.content.families import load_reader
from ibhelm_pipelines.content.limits import Limits
from ibhelm_pipelines.content.sandbox import Job, Sandbox
from ibhelm_pipelines.content.source import COPIED_BYTES, place_of
from ibhelm_pipelines.content.workers import Workers
from ibhelm_pipelines.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMITS = Limits(seconds=60, memory_mb=1024, text_chars=5_000_000)


def files(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """The files, and what reads them."""
    # Here, not above: every process that is started imports this module again.
    from benchmarks.content import letter, photo, plan  # noqa: PLC0415

    small = letter()
    made = {
        "letter.pdf": (small, ["pdf:thumbnail", "pdf:text"]),
        "plan.pdf": (plan(), ["pdf:thumbnail"]),
        "photo.jpg": (photo(), ["image:thumbnail"]),
        "large.pdf": (small + b"\n%" + b"x" * COPIED_BYTES, ["pdf:thumbnail"]),
    }
    for name, (data, readers) in made.items():
        (folder / name).write_bytes(data)
        yield folder / name, readers


def compare(sandbox: Sandbox, path: Path, reader: str, rounds: int) -> None:
    """Print the medians of both."""
    bare, locked_in = [], []
    for _ in range(rounds):
        started = time.perf_counter()
        with path.open("rb") as file:
            load_reader(reader)(file, LIMITS)
        bare.append((time.perf_counter() - started) * 1000)
        started = time.perf_counter()
        outcome = sandbox.run(Job(reader=reader, place=place_of(path), limits=LIMITS))
        locked_in.append((time.perf_counter() - started) * 1000)
        assert outcome.state == "ok", outcome.reason
    medians = statistics.median(bare), statistics.median(locked_in)
    print(
        f"{path.name} {reader}: bare {medians[0]:.1f} ms, sandbox {medians[1]:.1f} ms, +{medians[1] - medians[0]:.1f}"
    )


def main() -> None:
    """Compare all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    rounds = parser.parse_args().rounds
    settings = Settings(_env_file=None, content_workers=1)
    with tempfile.TemporaryDirectory() as name, Workers(settings) as workers, Sandbox(settings, workers) as sandbox:
        for path, readers in files(Path(name)):
            for reader in readers:
                compare(sandbox, path, reader, rounds)


if __name__ == "__main__":
    main()
