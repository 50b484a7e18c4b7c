"""Real files from everywhere: nearly all of them give a preview and a text, and none stops the run.

What gives none says why. The floors are those that were promised; docs/file-types.md has what is reached.
"""

from __future__ import annotations

import math
import shutil
from typing import TYPE_CHECKING

import pytest

from ibhelm_pipelines.content.coverage import add_up
from ibhelm_pipelines.content.families import FAMILIES
from ibhelm_pipelines.content.trying import try_folder
from ibhelm_pipelines.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ibhelm_pipelines.content.outcome import Outcome
    from ibhelm_pipelines.content.trying import Tried

pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("corpus")]

UNREADABLE = {
    # Fragments without any object of a page.
    "14bcd090-minimal_test.pdf",
    "50e91d37-bug1020226.pdf",
    # Drawings without an entity in any layout: made to test tables and links of layouts.
    "053b8753-layout_broken_links.dxf",
    "41c2b8a1-dxf_unicode.dxf",
    "55169949-r12_blocks_with_no_names.dxf",
    "5bd921cf-layout_missing_block_definition.dxf",
    "6866a507-Minimal_DXF_AC1021.dxf",
    "7286a35c-Minimal_DXF_AC1009.dxf",
    # The boxes of a HEIC file without the picture that they announce (0 images for libheif too).
    "2aa7014b-testHEIC_livePhoto.heic",
}
"""Files of the corpus that hold nothing to show, each with the reason."""

KNOWN_TO_CRASH = {
    # MuPDF 1.26.7 spoils its own memory with this JPEG 2000 picture; it costs its worker and itself.
    "4010d808-bug_jpx.pdf",
}

LOCKED = ("protected by a password", "encrypted", "locked")


PATIENCE = 600
"""Seconds for one file and step: what takes a minute on a busy machine does not hang."""

SAMPLE = 4
"""Every fourth file in CI; all of them take ten minutes, most of which LibreOffice and the larger drawings do."""


@pytest.fixture(
    scope="module", params=[pytest.param(SAMPLE, id="sample"), pytest.param(1, id="all", marks=pytest.mark.soak)]
)
def corpus(
    shared_corpus: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> list[Tried]:
    """The files of the corpus, read as the pipeline reads them."""
    folder = tmp_path_factory.mktemp("corpus")
    for place in sorted(place for place in shared_corpus.iterdir() if place.is_dir()):
        (folder / place.name).mkdir()
        for path in sorted(path for path in place.iterdir() if path.is_file())[:: request.param]:
            shutil.copy(path, folder / place.name)
    return try_folder(folder, Settings(_env_file=None, content_workers=2, content_seconds=PATIENCE))


def _of(corpus: Iterable[Tried], *families: str) -> list[Tried]:
    """The files of these families that a person could read, with the right programs."""
    files = [each for each in corpus if each.kind.family in families and not each.name.startswith("hostile/")]
    known = [each for each in files if each.name.rpartition("/")[2] not in UNREADABLE]
    return [each for each in known if not _is_locked(each.thumbnail) and not _is_locked(each.text)]


def _is_locked(outcome: Outcome) -> bool:
    return outcome.state == "unsupported" and any(word in (outcome.reason or "") for word in LOCKED)


def test_every_file_has_a_result_or_a_reason(corpus: list[Tried]) -> None:
    for each in corpus:
        assert (each.thumbnail.state == "ok") == bool(each.thumbnail.preview), each.name
        assert (each.text.state == "ok") == bool(each.text.text), each.name
        assert all(outcome.reason for outcome in (each.thumbnail, each.text) if outcome.state != "ok"), each.name


def test_no_file_brings_its_reader_down_or_keeps_it_for_ever(corpus: list[Tried]) -> None:
    fatal = ("crash", "took longer", "was killed", "no reader may say", "gave up (")
    found = {
        each.name: outcome.reason
        for each in corpus
        for outcome in (each.thumbnail, each.text)
        if any(word in (outcome.reason or "") for word in fatal)
        and not each.name.startswith("hostile/")
        and each.name.rpartition("/")[2] not in KNOWN_TO_CRASH
    }
    assert found == {}


@pytest.mark.parametrize(
    ("families", "floor", "at_least"),
    [(("pdf", "image"), 0.98, 100), (("dxf",), 0.95, 8), (("mail", "outlook"), 1.0, 20)],
    ids=str,
)
def test_so_many_have_a_preview(corpus: list[Tried], families: tuple[str, ...], floor: float, at_least: int) -> None:
    files = _of(corpus, *families)
    assert len(files) >= at_least
    missing = {each.name: each.thumbnail.reason for each in files if each.thumbnail.state != "ok"}
    assert len(missing) <= _allowed(floor, files, is_whole=len(corpus) > 800), missing


@pytest.mark.parametrize(
    ("families", "floor", "at_least"),
    [(("office", "old_office"), 0.97, 25), (("mail", "outlook"), 1.0, 20), (("text", "csv", "html", "xml"), 0.97, 8)],
    ids=str,
)
def test_so_many_have_text_or_have_none_in_them(
    corpus: list[Tried], families: tuple[str, ...], floor: float, at_least: int
) -> None:
    files = _of(corpus, *families)
    assert len(files) >= at_least
    missing = {each.name: each.text.reason for each in files if each.text.state not in ("ok", "empty")}
    assert len(missing) <= _allowed(floor, files, is_whole=len(corpus) > 800), missing


def _allowed(floor: float, files: list[Tried], *, is_whole: bool) -> int:
    """How many may miss: of a sample thrice their share, for chance; of what none may miss, none."""
    return int((1 - floor) * len(files)) if is_whole else math.ceil(3 * (1 - floor) * len(files))


def test_the_corpus_has_files_of_many_families(corpus: list[Tried]) -> None:
    """Else the table in the docs would say little."""
    assert len({each.family for each in add_up(corpus)} & set(FAMILIES)) >= 10
