"""Real files from everywhere: nearly all that can be read give a preview and a text, and none stops the run."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from ibhelm_pipelines.content.families import tool_for
from ibhelm_pipelines.content.jail import Job
from ibhelm_pipelines.content.limits import Limits
from ibhelm_pipelines.content.sandbox import Sandbox
from ibhelm_pipelines.content.sniff import HEAD_BYTES, sniff
from ibhelm_pipelines.content.source import Place
from ibhelm_pipelines.content.workers import Workers
from ibhelm_pipelines.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from ibhelm_pipelines.content.families import ReadStep
    from ibhelm_pipelines.content.outcome import Outcome

SECONDS, MEMORY_MB = 60, 1024

UNREADABLE = {
    # No page can be reached from the catalogue, for any reader: made to test exactly that.
    "0b2a68f4-T02-01_001_document-catalog-No-document-catalog.pdf",
    "3071d79c-T02-01_004_document-catalog-incorrect-pages-reference.pdf",
    "19e9c844-T02-02_005_page-tree-no-kids.pdf",
    "3197b5c8-T02-02_008_page-tree-node-no-count.pdf",
    # A fragment without any object of a page.
    "14bcd090-minimal_test.pdf",
    # The boxes of a HEIC file without the picture that they announce (0 images for libheif too).
    "2aa7014b-testHEIC_livePhoto.heic",
}
"""Files of the corpus that hold nothing to show, each with the reason."""

LOCKED = "The PDF is protected by a password"


def read_all(corpus: Path, step: ReadStep) -> dict[Path, Outcome]:
    """The outcome of a step on every file of the corpus that a reader exists for."""
    limits = Limits(seconds=SECONDS, memory_mb=MEMORY_MB, text_chars=5_000_000)
    settings = Settings(_env_file=None, content_workers=2, content_seconds=SECONDS, content_memory_mb=MEMORY_MB)
    jobs = {}
    for path in sorted(path for path in corpus.rglob("*") if path.is_file() and path.stat().st_size):
        with path.open("rb") as file:
            kind = sniff(file.read(HEAD_BYTES), path.suffix[1:].lower())
        reader = tool_for(kind.family, step).reader
        if reader is not None:
            jobs[path] = Job(reader=reader, place=place(path), limits=limits)
    with Workers(settings) as workers, Sandbox(settings, workers) as sandbox, ThreadPoolExecutor(6) as threads:
        return dict(zip(jobs, threads.map(sandbox.run, jobs.values()), strict=True))


def place(path: Path) -> Place:
    status = path.stat()
    return Place(
        path=os.fsencode(path),
        extension="",
        size_bytes=status.st_size,
        mtime_ns=status.st_mtime_ns,
        inode=status.st_ino,
    )


@pytest.mark.timeout(600)
def test_at_least_97_percent_of_the_readable_pdfs_and_pictures_give_a_preview(shared_corpus: Path) -> None:
    outcomes = read_all(shared_corpus, "thumbnail")
    readable = {
        path: outcome
        for path, outcome in outcomes.items()
        if path.parent.name in ("pdf", "image") and path.name not in UNREADABLE and outcome.reason != LOCKED
    }
    assert len(readable) > 400
    shown = sum(1 for outcome in readable.values() if outcome.preview)
    missing = {path.name: outcome.reason for path, outcome in readable.items() if not outcome.preview}
    assert shown >= 0.97 * len(readable), missing
    assert all(outcome.reason for outcome in outcomes.values() if outcome.state != "ok")


@pytest.mark.timeout(600)
def test_every_readable_file_gives_text_or_says_why_not(shared_corpus: Path) -> None:
    outcomes = read_all(shared_corpus, "text")
    assert all((outcome.state == "ok") == bool(outcome.text) for outcome in outcomes.values())
    assert all(outcome.reason for outcome in outcomes.values() if outcome.state != "ok")
    crashed = {path.name: outcome.reason for path, outcome in outcomes.items() if "crash" in (outcome.reason or "")}
    assert crashed == {}
