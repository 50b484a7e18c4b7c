"""Times previews, text and originals, each against the bare libraries in a plain loop in the same run.

    python -m benchmarks.content [--files 1000] [--rounds 3]

The reference is as many processes as the pipeline has workers, each calling the same reader functions on its share of
the files, one after the other: no database, no object store, no sandbox. It gets the whole machine, and so does the
pipeline, whose Postgres and S3 server stand on the same processors; their share is printed beside it. The ratio of
wall times is the overhead; the ratio of processor times of parent and workers alone says how much of it is ours. Each
round times both, and the median counts. `--files 10000` shows whether the parent's memory stays flat.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import random
import statistics
import tempfile
import threading
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import psutil
import psycopg
import pymupdf
from PIL import Image, ImageDraw, ImageFilter

from ibhelm_pipelines.content.families import ReadStep, load_reader, tool_for
from ibhelm_pipelines.content.limits import Limits
from ibhelm_pipelines.content.sniff import HEAD_BYTES, sniff
from ibhelm_pipelines.content.steps import run_step
from ibhelm_pipelines.db.migrations import migrate
from ibhelm_pipelines.local.postgres import EmbeddedPostgres
from ibhelm_pipelines.local.s3 import EmbeddedS3
from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

SAMPLE_SECONDS = 0.25
LIMITS = Limits(seconds=60, memory_mb=1024, text_chars=5_000_000)


def letter(pages: int = 3) -> bytes:
    """A text document as an office writes them."""
    document = pymupdf.open()
    for _ in range(pages):
        words = " ".join(random.choices(["Lüftung", "Heizung", "Anlage", "Bauteil", "gemäß", "Prüfung", "und"], k=350))
        document.new_page().insert_textbox((60, 60, 540, 780), words, fontsize=10)
    return bytes(document.tobytes(deflate=True))


def plan(segments: int = 8_000) -> bytes:
    """A drawing: thousands of lines and labels on an A0 sheet."""
    document = pymupdf.open()
    page = document.new_page(width=3370, height=2384)
    shape = page.new_shape()
    for _ in range(segments):
        x, y = random.uniform(0, 3300), random.uniform(0, 2300)
        shape.draw_line((x, y), (x + random.uniform(-60, 60), y + random.uniform(-60, 60)))
    shape.finish(width=0.4)
    shape.commit()
    for _ in range(300):
        page.insert_text((random.uniform(0, 3300), random.uniform(0, 2300)), "DN 100 KGR 430", fontsize=9)
    return bytes(document.tobytes(deflate=True))


def photo(size: tuple[int, int] = (4000, 3000)) -> bytes:
    """Twelve megapixels with the detail of a real scene."""
    picture = Image.effect_noise((size[0] // 8, size[1] // 8), 90).convert("RGB").resize(size)
    draw = ImageDraw.Draw(picture)
    for _ in range(200):
        x, y = random.uniform(0, size[0]), random.uniform(0, size[1])
        draw.line((x, y, x + 900, y + 300), fill=(random.randrange(255), 80, 80), width=9)
    out = io.BytesIO()
    picture.filter(ImageFilter.GaussianBlur(1)).save(out, "JPEG", quality=85)
    return out.getvalue()


def build_tree(root: Path, files: int) -> None:
    """Six letters to two photos, one plan and one note; every content distinct by a few bytes that readers skip."""
    random.seed(7)
    letters, plans, photos = [letter() for _ in range(5)], [plan() for _ in range(2)], [photo() for _ in range(3)]
    for number in range(files):
        folder = root / "projekte" / f"{2301 + number % 20}-Büro"
        folder.mkdir(parents=True, exist_ok=True)
        kind, tail = number % 10, b"\n%%%08d\n" % number
        if kind < 6:
            (folder / f"Brief {number}.pdf").write_bytes(letters[number % 5] + tail)
        elif kind < 8:
            (folder / f"Foto {number}.jpg").write_bytes(photos[number % 3] + tail)
        elif kind == 8:
            (folder / f"Plan {number}.pdf").write_bytes(plans[number % 2] + tail)
        else:
            (folder / f"Notiz {number}.txt").write_bytes(b"Protokoll der Baubesprechung\n" * 40 + tail)
    (root / ".ibhelm-share").touch()


def read_share(paths: list[Path], step: ReadStep) -> tuple[float, float]:
    """The reference: one process's share of the files in a plain loop; returns its wall and its processor seconds."""
    load_reader("pdf:text"), load_reader("image:thumbnail")
    started, spent = time.perf_counter(), time.process_time()
    for path in paths:
        with path.open("rb") as file:
            kind = sniff(file.read(HEAD_BYTES), path.suffix[1:])
            file.seek(0)
            reader = tool_for(kind.family, step).reader
            if reader is not None:
                load_reader(reader)(file, LIMITS)
    return time.perf_counter() - started, time.process_time() - spent


def read_in_loops(root: Path, step: ReadStep, workers: int) -> tuple[float, float]:
    """All files in `workers` loops at once; the slowest one's wall time, and the processor time of all."""
    paths = sorted(path for path in (root / "projekte").rglob("*") if path.is_file())
    shares = [paths[start::workers] for start in range(workers)]
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        times = list(pool.map(read_share, shares, [step] * workers))
    return max(wall for wall, _ in times), sum(spent for _, spent in times)


class Watch:
    """Samples processor time by kind of process, and the memory of this one."""

    def __init__(self, **kinds: psutil.Process) -> None:
        self._kinds = kinds
        self._spent: dict[tuple[str, int], float] = {}
        self.memory: list[int] = []
        self._before: dict[tuple[str, int], float] = {}
        self._stop = threading.Event()

    @contextmanager
    def running(self) -> Iterator[Watch]:
        self._before = self._sample()
        thread = threading.Thread(target=self._run)
        thread.start()
        yield self
        self._stop.set()
        thread.join()
        self._spent.update(self._sample())

    def seconds(self) -> dict[str, float]:
        """Processor seconds by kind of process."""
        sums: defaultdict[str, float] = defaultdict(float)
        for key, value in self._spent.items():
            sums[key[0]] += value - self._before.get(key, 0.0)
        return dict(sums)

    def _run(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            self._spent.update(self._sample())
            self.memory.append(psutil.Process().memory_info().rss >> 20)

    def _sample(self) -> dict[tuple[str, int], float]:
        found = {("parent", 0): time.process_time()}
        taken: set[int] = set()
        for kind, process in (*self._kinds.items(), ("workers", psutil.Process())):
            family = [*process.children(recursive=True), *([process] if kind != "workers" else [])]
            for each in family:
                if each.pid in taken:
                    continue
                taken.add(each.pid)
                with suppress(psutil.Error):  # it ended meanwhile
                    times = each.cpu_times()
                    found[kind, each.pid] = times.user + times.system
        return found


def measure(
    step: ReadStep, settings: Settings, files: int, rounds: int, watch_kinds: dict[str, psutil.Process]
) -> None:
    """Time a step and its reference in turns."""
    assert settings.nas_root is not None
    ratios, own = [], []
    for _ in range(rounds):
        loop_wall, loop_cpu = read_in_loops(settings.nas_root, step, settings.content_workers)
        forget(settings)
        watch = Watch(**watch_kinds)
        with watch.running():
            report = run_step(step, settings)
        assert report.total.done == files
        assert report.total.failed == 0
        spent = watch.seconds()
        ratios.append(report.seconds / loop_wall)
        own.append((spent["parent"] + spent["workers"]) / loop_cpu)
        busy = sum(spent.values()) / report.seconds
        print(
            f"{step}: {report.seconds:.1f} s, loop {loop_wall:.1f} s, ratio {ratios[-1]:.2f};"
            f" {files / report.seconds:.0f} files/s; processors busy {busy:.2f};"
            f" CPU s: {', '.join(f'{kind} {value:.1f}' for kind, value in spent.items())}, loop {loop_cpu:.1f};"
            f" {memory_line(watch.memory)}"
        )
    print(
        f"{step}: median {statistics.median(ratios):.2f} x the loop by wall,"
        f" {statistics.median(own):.2f} x by processor time of parent and workers"
    )


def memory_line(samples: list[int]) -> str:
    quarter = max(1, len(samples) // 4)
    return f"parent {max(samples[:quarter])} MiB in the first quarter, {max(samples[-quarter:])} in the last"


def forget(settings: Settings) -> None:
    """As if no step had ever run."""
    with psycopg.connect(settings.require_database_url(), autocommit=True) as connection:
        connection.execute("truncate ops.step_results, ops.stored_objects, public.content_texts")
        connection.execute("update public.files set thumbnail = null")


def measure_storing(settings: Settings, files: int) -> None:
    forget(settings)
    report = run_step("store", settings)
    megabytes = report.total.bytes / 1e6
    print(
        f"store: {report.seconds:.1f} s, {files / report.seconds:.0f} files/s, {megabytes / report.seconds:.0f} MB/s"
        " into the embedded server"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", nargs="*", default=["thumbnail", "text", "store"])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ibhelm-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        build_tree(folder / "nas", args.files)
        postgres, s3 = EmbeddedPostgres(folder=folder / "postgres"), EmbeddedS3(folder=folder / "s3", bucket="bench")
        postgres.start()
        s3.start()
        try:
            run(folder, postgres, s3, args)
        finally:
            s3.stop()
            postgres.stop()


def run(folder: Path, postgres: EmbeddedPostgres, s3: EmbeddedS3, args: argparse.Namespace) -> None:
    settings = Settings(
        _env_file=None,
        nas_root=folder / "nas",
        database_url=postgres.url(),
        s3_endpoint=s3.endpoint,
        s3_bucket="bench",
    )
    migrate(settings.require_database_url())
    scan(settings)
    kinds = {"postgres": listener(postgres.url()), "s3": listener(s3.endpoint)}
    for step in get_args(ReadStep):
        if step in args.steps:
            measure(step, settings, args.files, args.rounds, kinds)
    if "store" in args.steps:
        measure_storing(settings, args.files)


def listener(url: str) -> psutil.Process:
    """The process that listens at a URL."""
    port = int(url.rpartition(":")[2].partition("/")[0])
    return next(
        psutil.Process(each.pid)
        for each in psutil.net_connections("tcp4")
        if each.pid and each.status == psutil.CONN_LISTEN and each.laddr.port == port
    )


if __name__ == "__main__":
    main()
