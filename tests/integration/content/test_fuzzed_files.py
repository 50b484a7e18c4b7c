"""Files that were cut off and changed at random: each ends as a result with a reason, and no run ends for one.

The changes follow from a seed that is printed when a claim fails: IBHELM_FUZZ_SEED=... makes the same ones again.
"""

from __future__ import annotations

import os
import random
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psutil
import pytest
from content_samples import family_of, samples
from hostile_readers import place

from ibhelm_pipelines.content.families import FAMILIES, Tool, tool_for
from ibhelm_pipelines.content.sandbox import Sandbox
from ibhelm_pipelines.content.sniff import HEAD_BYTES, sniff
from ibhelm_pipelines.content.workers import Workers
from ibhelm_pipelines.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from ibhelm_pipelines.content.families import ReadStep
    from ibhelm_pipelines.content.outcome import Outcome

IN_CI, BY_HAND = 2_000, 20_000
SECONDS = 5
GRACE = 10
MEMORY_GROWTH_MB = 150
STEPS: tuple[ReadStep, ...] = ("thumbnail", "text")


def settings() -> Settings:
    return Settings(_env_file=None, content_workers=2, content_seconds=SECONDS, content_memory_mb=768)


def changed(data: bytes, dice: random.Random) -> bytes:
    """Cut it off, or change, take away, double or overwrite a few bytes, as a bad disk or a bad person would."""
    out = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 8))):
        at, length = dice.randrange(len(out) or 1), dice.choice((1, 2, 4, 16, 256))
        how = dice.randrange(6)
        if how == 0:
            del out[max(1, at) :]
        elif how == 1:
            out[at : at + length] = dice.randbytes(len(out[at : at + length]))
        elif how == 2:
            del out[at : at + length]
        elif how == 3:
            out[at:at] = out[at : at + length] * dice.choice((1, 3, 50))
        elif how == 4:
            out[at : at + length] = dice.choice((b"\0", b"\xff", b"\x7f\xff\xff\xff", b"-1", b"99999999"))
        else:
            out[at : at + 1] = bytes([out[at] ^ (1 << dice.randrange(8))]) if at < len(out) else b""
    return bytes(out) or b"x"


def read(sandbox: Sandbox, path: Path, step: ReadStep) -> tuple[Outcome, float]:
    started = time.monotonic()
    with path.open("rb") as file:
        kind = sniff(file.read(HEAD_BYTES), path.suffix[1:])
    outcome = sandbox.read(own_tool(kind.family, step), place(path), kind.name)
    return outcome, time.monotonic() - started


def own_tool(family: str, step: ReadStep) -> Tool:
    """Ours: starting LibreOffice 300 times would take the time of all the others, and test LibreOffice."""
    tool = tool_for(family, step)
    return (tool.otherwise or Tool(refusal="only a program reads this")) if tool.converter else tool


def fuzz(folder: Path, number: int) -> None:
    """Make so many changed files, and claim of each what every file is owed."""
    seed = int(os.environ.get("IBHELM_FUZZ_SEED", random.SystemRandom().randrange(10**9)))
    dice, names = random.Random(seed), sorted(samples())
    jobs = []
    for index in range(number):
        name = names[index % len(names)]
        path = folder / f"{index}.{name.rpartition('.')[2]}"
        path.write_bytes(changed(samples()[name], dice))
        jobs.append((path, STEPS[index // len(names) % 2]))
    before = psutil.Process().memory_info().rss
    with Workers(settings()) as workers, Sandbox(settings(), workers) as sandbox, ThreadPoolExecutor(6) as threads:
        results = list(threads.map(lambda job: read(sandbox, *job), jobs))
    told = f"IBHELM_FUZZ_SEED={seed}"
    for (path, step), (outcome, took) in zip(jobs, results, strict=True):
        what = (told, path.name, step, outcome.reason)
        assert outcome.state in ("ok", "empty", "unsupported", "failed"), what
        assert outcome.state == "ok" or outcome.reason, what
        assert not outcome.unread, what
        assert took < _longest(path, step) + GRACE * 3, what  # three wait for each worker
    assert psutil.Process().memory_info().rss - before < MEMORY_GROWTH_MB << 20, told


def _longest(path: Path, step: ReadStep) -> float:
    with path.open("rb") as file:
        family = sniff(file.read(HEAD_BYTES), path.suffix[1:]).family
    return (own_tool(family, step).seconds or SECONDS) * 3


def test_there_is_a_healthy_sample_of_each_family_with_a_reader() -> None:
    families = {family_of(name, data) for name, data in samples().items()}
    readable = {name for name, each in FAMILIES.items() if each.thumbnail.reader or each.text.reader}
    assert readable <= families


def test_the_samples_themselves_are_read(tmp_path: Path) -> None:
    with Workers(settings()) as workers, Sandbox(settings(), workers) as sandbox:
        for name, data in samples().items():
            (tmp_path / name).write_bytes(data)
            states = [read(sandbox, tmp_path / name, step)[0] for step in STEPS]
            assert "ok" in {outcome.state for outcome in states}, (name, [outcome.reason for outcome in states])


@pytest.mark.timeout(600)
def test_changed_files_end_as_results_with_a_reason(tmp_path: Path) -> None:
    fuzz(tmp_path, IN_CI)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_many_changed_files_end_as_results_with_a_reason(tmp_path: Path) -> None:
    fuzz(tmp_path, BY_HAND)
