"""Times each family's readers in the sandbox against the bare library: files/s, CPU a file, and what the sandbox costs.

    python -m benchmarks.families [--corpus FOLDER] [--files 12] [--rounds 5]

Files are those of the corpus that give a result, the samples of the tests where it has none of a family. Cost: each
file is read in turns by the bare library in this process and by one worker; the best of the rounds counts, and the
median file is what is printed; at the end so for a hundred files spread over the corpus, preview and text together, as
the pipeline makes both. Files/s and CPU: all files of a family at once, by as many workers as there are processors; the
processor time is that of this process and of the workers. `chrt -r 10` before it keeps other work out.

No processor may fall asleep meanwhile: one of this virtual machine takes 0.6 ms to wake up, one of a machine at work is
awake.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import psutil

from ibhelm_pipelines.content.families import FAMILIES, ReadStep, Tool, load_reader, tool_for
from ibhelm_pipelines.content.limits import Limits
from ibhelm_pipelines.content.sandbox import Job, Sandbox
from ibhelm_pipelines.content.sniff import HEAD_BYTES, sniff
from ibhelm_pipelines.content.source import COPIED_BYTES, place_of
from ibhelm_pipelines.content.workers import Workers
from ibhelm_pipelines.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMITS = Limits(seconds=60, memory_mb=1024, text_chars=5_000_000)
CORES = os.cpu_count() or 1
SPOILS_ITS_PROCESS = "4010d808-bug_jpx.pdf"
TESTS = Path(__file__).resolve().parents[1] / "tests"
PASSES_SECONDS = 1.0
"""All files of a family are read so often that it takes about so long: shorter times say nothing."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Of one family and step."""

    files: int
    bare_cpu_ms: float
    cpu_ms: float
    files_per_second: float
    cores: float
    cost: float
    cost_ms: float


@contextmanager
def kept_awake() -> Iterator[None]:
    """Give each processor something to do that gives way to everything else."""
    idlers = [multiprocessing.Process(target=_idle, args=(number,), daemon=True) for number in range(CORES)]
    for idler in idlers:
        idler.start()
    try:
        yield
    finally:
        for idler in idlers:
            idler.kill()
            idler.join()


def _idle(processor: int) -> None:
    os.sched_setaffinity(0, {processor})
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    while True:
        pass


def own(tool: Tool) -> Tool:
    """What is done without programs of others and scratch folders, whose processes would be all that is timed."""
    own_tool = tool.otherwise if tool.converter and tool.otherwise else tool
    return Tool() if own_tool.scratch else own_tool


def collect(corpus: Path, folder: Path, most: int) -> dict[str, list[Path]]:
    """The files by family, spread over the corpus; samples of the tests where it has none."""
    sys.path.insert(0, str(TESTS))
    from content_samples import samples  # noqa: PLC0415 - of the tests

    found: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(corpus.rglob("*")):
        if is_measured(path):
            found[family_of(path)].append(path)
    for name, data in samples().items():
        path = folder / name
        path.write_bytes(data)
        if len(found[family_of(path)]) < 2:
            found[family_of(path)].append(path)
    return {family: paths[:: max(1, len(paths) // most)][:most] for family, paths in found.items()}


def is_measured(path: Path) -> bool:
    """Whether a file has an ordinary size and leaves this process whole."""
    return path.is_file() and 0 < path.stat().st_size <= COPIED_BYTES and path.name != SPOILS_ITS_PROCESS


def family_of(path: Path) -> str:
    with path.open("rb") as file:
        return sniff(file.read(HEAD_BYTES), path.suffix[1:].lower()).family


def bare(reader: str, path: Path) -> float:
    """Read it in this process; seconds."""
    started = time.perf_counter()
    with path.open("rb") as file:
        load_reader(reader)(file, LIMITS)
    return time.perf_counter() - started


def locked_in(sandbox: Sandbox, reader: str, path: Path) -> float:
    """Read it in a worker; seconds."""
    started = time.perf_counter()
    sandbox.run(Job(reader=reader, place=place_of(path), limits=LIMITS))
    return time.perf_counter() - started


def processor_seconds() -> float:
    """Of this process and of the workers, which are its grandchildren; also of those that have ended."""
    me = psutil.Process()
    servers = [child for child in me.children() if "forkserver" in " ".join(child.cmdline())]
    workers = [worker for server in servers for worker in server.children()]
    ended = sum(sum(server.cpu_times()[2:4]) for server in servers)
    return sum(sum(each.cpu_times()[:2]) for each in (me, *workers)) + ended


def cost_of(sandbox: Sandbox, reader: str, paths: list[Path], rounds: int) -> tuple[float, float]:
    """What the sandbox adds at the median file: as a share, and in milliseconds."""
    costs = []
    for path in paths:
        times = [(bare(reader, path), locked_in(sandbox, reader, path)) for _ in range(rounds)]
        alone, inside = (min(column) for column in zip(*times, strict=True))
        costs.append((inside / alone - 1, (inside - alone) * 1000))
    return statistics.median(cost for cost, _ in costs), statistics.median(ms for _, ms in costs)


def cost_of_a_file(sandbox: Sandbox, paths: list[Path], rounds: int) -> float:
    """What the sandbox adds at the median file to preview and text together, as a share; of files that give both."""
    costs = []
    for path in paths:
        readers = [own(tool_for(family_of(path), step)).reader for step in get_args(ReadStep)]
        jobs = [Job(reader=reader, place=place_of(path), limits=LIMITS) for reader in readers if reader]
        if len(jobs) == len(readers) and all(sandbox.run(job).state == "ok" for job in jobs):
            alone, inside = (
                sum(min(read(job.reader) for _ in range(rounds)) for job in jobs)
                for read in (partial(bare, path=path), partial(locked_in, sandbox, path=path))
            )
            costs.append(inside / alone - 1)
    print(f"{len(costs)} of {len(paths)} files give preview and text", file=sys.stderr)
    return statistics.median(costs)


def measure(one: Sandbox, all_cores: Sandbox, reader: str, paths: list[Path], rounds: int) -> Figures | None:
    """Time a reader on these files; None when it makes nothing of any."""
    jobs = [Job(reader=reader, place=place_of(path), limits=LIMITS) for path in paths]
    read = [path for path, job in zip(paths, jobs, strict=True) if one.run(job).state == "ok"]
    if not read:
        return None
    cost, cost_ms = cost_of(one, reader, read, rounds)
    before = time.process_time()
    once = sum(bare(reader, path) for path in read)
    bare_cpu = time.process_time() - before
    many = read * max(1, round(PASSES_SECONDS * CORES / once))
    with ThreadPoolExecutor(CORES * 3) as threads:
        list(threads.map(lambda path: locked_in(all_cores, reader, path), many[: CORES * 2]))  # workers start
        cpu, started = processor_seconds(), time.perf_counter()
        list(threads.map(lambda path: locked_in(all_cores, reader, path), many))
        took, cpu = time.perf_counter() - started, processor_seconds() - cpu
    return Figures(
        files=len(read),
        bare_cpu_ms=bare_cpu / len(read) * 1000,
        cpu_ms=cpu / len(many) * 1000,
        files_per_second=len(many) / took,
        cores=cpu / took,
        cost=cost,
        cost_ms=cost_ms,
    )


def table(rows: list[tuple[str, ReadStep, Figures]]) -> str:
    """As docs/file-types.md has it."""
    lines = ["| Family | Step | Files | Files/s | Cores at work | CPU a file | Bare library | Sandbox, median file |"]
    lines.append("|---|---|--:|--:|--:|--:|--:|--:|")
    lines += [
        f"| {FAMILIES[family].name} | {'preview' if step == 'thumbnail' else step} | {each.files}"
        f" | {each.files_per_second:,.0f} | {each.cores:.1f} | {each.cpu_ms:.1f} ms | {each.bare_cpu_ms:.1f} ms"
        f" | {each.cost:+.0%} ({each.cost_ms:+.1f} ms) |"
        for family, step, each in rows
    ]
    return "\n".join(lines)


def main() -> None:
    """Time all families and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=Path("../shared/corpus"))
    parser.add_argument("--files", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    single, every = (Settings(_env_file=None, content_workers=number) for number in (1, CORES))
    rows: list[tuple[str, ReadStep, Figures]] = []
    with (
        kept_awake(),
        tempfile.TemporaryDirectory() as folder,
        Workers(single) as one_worker,
        Workers(every) as workers,
        Sandbox(single, one_worker) as one,
        Sandbox(every, workers) as all_cores,
    ):
        files = collect(arguments.corpus, Path(folder), arguments.files)
        for family in FAMILIES:
            for step in get_args(ReadStep):
                reader = own(tool_for(family, step)).reader
                figures = measure(one, all_cores, reader, files.get(family, []), arguments.rounds) if reader else None
                if figures is not None:
                    rows.append((family, step, figures))
                    print(f"{family} {step}: {figures}", file=sys.stderr)
        everything = sorted(path for path in arguments.corpus.rglob("*") if is_measured(path))
        median = cost_of_a_file(one, everything[:: max(1, len(everything) // 100)], arguments.rounds)
    print(table(rows))
    print(f"\nPreview and text together, median file of the corpus: {median:+.1%}")
    worst = max(rows, key=lambda row: row[2].cost)
    print(f"\nOf {len(rows)} readers {sum(row[2].cost < 0.1 for row in rows)} below 10 %; worst: {worst[0]} {worst[1]}")


if __name__ == "__main__":
    main()
