"""Any folder can be tried: each file below it gives one result, in the pipeline's own sandbox, and sums are right."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pymupdf
import pytest
from click.testing import CliRunner

from ibhelm_pipelines import cli_content
from ibhelm_pipelines.cli import main
from ibhelm_pipelines.content import coverage, trying
from ibhelm_pipelines.content.families import FAMILIES
from ibhelm_pipelines.content.file_types import as_markdown, file_types
from ibhelm_pipelines.content.trying import BEGINNING, try_folder
from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.settings import Settings

if TYPE_CHECKING:
    from ibhelm_pipelines.content.trying import Tried

REPOSITORY = Path(__file__).resolve().parents[3]
SETTINGS = Settings(_env_file=None, content_workers=2, content_seconds=30)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("projekt")
    (folder / "unten").mkdir()
    document = pymupdf.open()
    document.new_page().insert_text((72, 72), "Lüftungsplan")
    (folder / "plan.pdf").write_bytes(document.tobytes())
    (folder / "kaputt.pdf").write_bytes(b"%PDF-1.4\nnot a PDF at all")
    (folder / "leer.txt").write_bytes(b"")
    (folder / "unten" / "lang.txt").write_text("Die Pumpe ist ausgefallen. " * 200, encoding="utf-8")
    (folder / "setup.exe").write_bytes(b"MZ\x90\x00" + b"\x00\x01" * 400)
    (folder / "verweis.txt").symlink_to("/etc/passwd")
    (folder / "kreis").symlink_to(folder)
    os.mkfifo(folder / "leitung")
    (folder / os.fsdecode(b"gr\xfcn.txt")).write_text("Ein Name in Latin-1", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def tried(folder: Path) -> list[Tried]:
    return try_folder(folder, SETTINGS)


def test_every_file_gives_one_result_and_links_and_pipes_none(tried: list[Tried]) -> None:
    found = {each.name: (each.kind.family, each.thumbnail.state, each.text.state) for each in tried}
    [latin] = [name for name in found if name.startswith("gr")]
    assert found.pop(latin) == ("text", "ok", "ok")
    assert found == {
        "kaputt.pdf": ("pdf", "failed", "failed"),
        "leer.txt": ("empty", "empty", "empty"),
        "plan.pdf": ("pdf", "ok", "ok"),
        "setup.exe": ("other", "unsupported", "unsupported"),
        "unten/lang.txt": ("text", "ok", "ok"),
    }


def test_of_a_long_text_the_beginning_is_kept_and_its_length_told(tried: list[Tried]) -> None:
    [long] = [each for each in tried if each.name == "unten/lang.txt"]
    assert len(long.text.text or "") == BEGINNING
    assert long.text_chars == 200 * len("Die Pumpe ist ausgefallen. ")
    assert long.text.facts.language == "de"


def test_progress_is_told_file_by_file(folder: Path) -> None:
    told: list[tuple[int, int]] = []
    try_folder(folder / "unten", SETTINGS, progress=lambda done, of: told.append((done, of)))
    assert told == [(1, 1)]


def test_what_is_no_folder_is_an_error(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match="is no folder"):
        try_folder(folder / "plan.pdf", SETTINGS)


def test_the_sums_are_those_of_the_files(tried: list[Tried]) -> None:
    sums = {each.family: each for each in coverage.add_up(tried)}
    assert list(sums) == [family for family in FAMILIES if family in sums]
    assert (sums["pdf"].files, sums["pdf"].previews.ok, sums["pdf"].texts.ok) == (2, 1, 1)
    assert sums["pdf"].example == "plan.pdf"
    assert sum(each.files for each in sums.values()) == len(tried)
    why = coverage.reasons(list(sums.values()))
    assert sum(files for files, *_ in why) == sum(
        outcome.state != "ok" for each in tried for outcome in (each.thumbnail, each.text)
    )


@pytest.mark.parametrize(
    ("part", "of", "said"),
    [
        (0, 7, "0 %"),
        (7, 7, "100 %"),
        (1, 3, "33.3 %"),
        (9999, 10000, "99.9 %"),  # not all is never 100
        (1, 10000, "0.1 %"),  # something is never nothing
        (0, 0, "0 %"),
    ],
)
def test_a_share_never_says_more_than_there_is(part: int, of: int, said: str) -> None:
    assert coverage.share(part, of) == said


def test_the_command_prints_the_same(folder: Path, tried: list[Tried], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli_content, "load_settings", lambda: SETTINGS)
    result = CliRunner().invoke(main, ["coverage", str(folder), "--json"])
    assert result.exit_code == 0, result.output
    sums = {each["family"]: each for each in json.loads(result.stdout)}
    assert sums["pdf"]["previews"]["states"] == {"ok": 1, "failed": 1}
    assert set(sums) == {each.kind.family for each in tried}


def test_the_table_of_file_types_names_every_family_and_the_docs_have_it_as_it_is(subtests: pytest.Subtests) -> None:
    """`ibhelm file-types --markdown` prints what belongs there."""
    assert [each.key for each in file_types()] == list(FAMILIES)
    page = (REPOSITORY / "docs" / "file-types.md").read_text(encoding="utf-8")
    assert as_markdown() in page
    for each in file_types():
        with subtests.test(each.key):
            assert each.name
            assert each.preview_by
            assert each.text_by


def test_an_error_or_ctrl_c_ends_it_without_the_files_that_were_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(300):
        (tmp_path / f"brief {number}.txt").write_text("Sehr geehrte Damen und Herren", encoding="utf-8")
    begun: list[str] = []
    read = trying._try
    monkeypatch.setattr(trying, "_try", lambda sandbox, name, place: begun.append(name) or read(sandbox, name, place))

    def stop(_done: int, _all: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        try_folder(tmp_path, SETTINGS, progress=stop)
    assert len(begun) < 300
