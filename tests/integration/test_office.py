"""The made-up office: the same each time, true to its own truth, and as hard as a real share."""

from __future__ import annotations

import fnmatch
import hashlib
import io
import json
import unicodedata
import zipfile
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pymupdf
import pytest
from PIL import Image

from ibhelm_pipelines.demo.office import MARKER, generate_office
from ibhelm_pipelines.demo.register_truth import UNNUMBERED, UNNUMBERED_FOLDER
from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.settings import DEFAULT_IGNORED_FILES, DEFAULT_IGNORED_FOLDERS

FILES, PROJECTS = 110, 6


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("office") / "nas"
    generate_office(root, files=FILES, projects=PROJECTS, seed=1)
    return root


@pytest.fixture(scope="module")
def truth(office: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (office.parent / "truth.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def live(truth: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in truth if not line["junk"]]


def _tree(root: Path) -> dict[str, tuple[str, int]]:
    """Path: (hash, modification time) of everything below root."""
    return {
        str(path.relative_to(root)): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in root.rglob("*")
        if path.is_file() and path.name != MARKER
    }


def _readable(office: Path, live: list[dict[str, Any]], *suffixes: str) -> list[Path]:
    found = [
        office / line["path"] for line in live if line["defect"] is None and line["path"].lower().endswith(suffixes)
    ]
    assert found
    return found


def test_the_same_arguments_give_the_same_tree_and_truth(office: Path, tmp_path: Path):
    again = tmp_path / "nas"
    generate_office(again, files=FILES, projects=PROJECTS, seed=1)
    assert _tree(again) == _tree(office)
    assert (tmp_path / "truth.jsonl").read_bytes() == (office.parent / "truth.jsonl").read_bytes()


def test_another_seed_gives_another_office(office: Path, tmp_path: Path):
    generate_office(tmp_path / "nas", files=60, projects=PROJECTS, seed=2)
    assert _tree(tmp_path / "nas").keys() != _tree(office).keys()


def test_the_truth_names_each_file_of_the_tree_once(office: Path, truth: list[dict[str, Any]]):
    assert sorted(line["path"] for line in truth) == sorted(_tree(office))


def test_the_truth_has_sizes_and_hashes_as_they_are(office: Path, live: list[dict[str, Any]]):
    assert len(live) == FILES
    tree = _tree(office)
    assert {line["path"]: line["sha256"] for line in live} == {line["path"]: tree[line["path"]][0] for line in live}
    assert all((office / line["path"]).stat().st_size == line["size"] for line in live)


def test_what_is_called_a_duplicate_has_the_bytes_of_an_earlier_file(live: list[dict[str, Any]]):
    hashes = {line["path"]: line["sha256"] for line in live}
    copies = [line for line in live if line["duplicate_of"]]
    assert len(copies) >= 3
    assert all(hashes[line["duplicate_of"]] == line["sha256"] for line in copies)
    assert len({line["sha256"] for line in live}) == len(live) - len(copies)


def test_projects_stand_two_levels_below_the_root_and_loose_files_above(office: Path, live: list[dict[str, Any]]):
    folders = {"/".join(line["path"].split("/")[:2]): line["project"] for line in live if line["project"]}
    assert folders.pop(unicodedata.normalize("NFD", UNNUMBERED_FOLDER)) == UNNUMBERED
    assert len(set(folders.values())) == PROJECTS
    assert len(folders) == PROJECTS + 1, "a finished project has two"
    assert all(folder.split("/")[1].startswith(f"{number}-") for folder, number in folders.items())
    assert {folder.split("/")[0] for folder in folders} == {"projekte", "projekte-erledigt"}
    assert sum(line["path"].count("/") < 2 for line in live) >= 2


def test_every_readable_pdf_opens_and_only_scans_are_without_text(office: Path, live: list[dict[str, Any]]):
    kinds = {line["path"]: line["kind"] for line in live}
    for path in _readable(office, live, ".pdf"):
        with pymupdf.open(path) as document:
            has_text = any(page.get_text().strip() for page in document)
            assert has_text == (kinds[str(path.relative_to(office))] != "Scan")


def test_documents_of_a_project_name_its_number_and_cost_group(office: Path, live: list[dict[str, Any]]):
    lines = [line for line in live if line["kind"] in {"Angebot", "Rechnung", "LV"} and not line["defect"]]
    assert {line["kind"] for line in lines} == {"Angebot", "Rechnung", "LV"}
    for line in lines:
        with pymupdf.open(office / line["path"]) as document:
            text = "".join(page.get_text() for page in document)
        assert line["project"] in text
        assert str(line["cost_group"]) in text


def _told(live: list[dict[str, Any]], kind: str) -> set[tuple[tuple[str, str | None], ...]]:
    return {tuple(line["told_by"].items()) for line in live if line["kind"] == kind and "Kopie" not in line["path"]}


def test_the_truth_says_of_what_a_file_is_about_where_it_is_told_and_what_only_a_picture_tells(
    live: list[dict[str, Any]],
):
    assert _told(live, "Rechnung") == {(("cost_group", "text"),)}
    assert _told(live, "Foto") == {(("building", "folder"), ("level", "folder"), ("room", "folder")), ()}
    assert _told(live, "LV") == {(("cost_group", "name"),)}
    assert _told(live, "Protokoll") == {()}
    assert {told for tolds in _told(live, "Scan") for _, told in tolds} == {None}
    assert any("text" in told for tolds in _told(live, "Notiz") for told in tolds)
    assert all(
        (line["cost_group"] is not None) == ("cost_group" in line["told_by"])
        and (line["place"] is not None) == ("building" in line["told_by"])
        for line in live
    )


def test_photos_open_and_some_were_taken_sideways(office: Path, live: list[dict[str, Any]]):
    orientations = set()
    for path in _readable(office, live, ".jpg"):
        with Image.open(path) as picture:
            picture.load()
            assert 2_000_000 <= picture.width * picture.height <= 4_000_000
            orientations.add(picture.getexif()[0x0112])
    assert orientations & {3, 6, 8}


def test_tiffs_and_screenshots_open(office: Path, live: list[dict[str, Any]]):
    for path in _readable(office, live, ".tif", ".png"):
        with Image.open(path) as picture:
            picture.load()


def test_office_files_are_whole_archives_with_their_types(office: Path, live: list[dict[str, Any]]):
    for suffix in (".docx", ".xlsx", ".pptx"):
        for path in _readable(office, live, suffix):
            with zipfile.ZipFile(path) as archive:
                assert archive.testzip() is None
                assert "[Content_Types].xml" in archive.namelist()


def test_mails_parse_without_a_defect(office: Path, live: list[dict[str, Any]]):
    assert all(message_from_bytes(path.read_bytes()).defects == [] for path in _readable(office, live, ".eml"))


def test_junk_is_all_that_the_default_rules_leave_out(truth: list[dict[str, Any]]):
    def is_ignored(path: str) -> bool:
        *folders, name = path.split("/")
        in_folder = any(part in DEFAULT_IGNORED_FOLDERS or part.startswith(".") for part in folders)
        by_name = any(fnmatch.fnmatchcase(name, pattern) for pattern in DEFAULT_IGNORED_FILES)
        return in_folder or by_name or name.startswith(".")

    assert {line["path"] for line in truth if line["junk"]} == {
        line["path"] for line in truth if is_ignored(line["path"])
    }
    names = {part for line in truth if line["junk"] for part in line["path"].split("/")}
    assert {"@eaDir", "#recycle", ".DS_Store", "Thumbs.db", "~$Angebot.docx", "Grundriss EG.dwl"} <= names


def test_the_hard_cases_are_there(office: Path, live: list[dict[str, Any]]):
    names = [Path(line["path"]).name for line in live]
    assert max(len(name.encode()) for name in names) == 255
    assert any("[" in name for name in names)
    assert any(name != unicodedata.normalize("NFC", name) for name in names)
    twins = [line["path"] for line in live if "Größe" in unicodedata.normalize("NFC", line["path"])]
    assert len(twins) > len({unicodedata.normalize("NFC", path) for path in twins})
    assert any("_alt" in name for name in names)
    assert any("Index b" in name for name in names)


def test_defects_are_what_the_truth_calls_them(office: Path, live: list[dict[str, Any]]):
    defects = {(line["defect"], Path(line["path"]).suffix): office / line["path"] for line in live if line["defect"]}
    assert set(defects) == {("empty", ".pdf"), ("broken", ".pdf"), ("broken", ".jpg"), ("encrypted", ".pdf")}
    assert defects["empty", ".pdf"].stat().st_size == 0
    with pytest.raises(pymupdf.FileDataError):
        pymupdf.open(defects["broken", ".pdf"])
    with pymupdf.open(defects["encrypted", ".pdf"]) as document:
        assert document.needs_pass
        assert document.authenticate("geheim")
    with pytest.raises(OSError, match="truncated"):
        Image.open(io.BytesIO(defects["broken", ".jpg"].read_bytes())).load()


def test_modification_times_spread_over_the_years_of_the_projects(office: Path, live: list[dict[str, Any]]):
    years = {1970 + int((office / line["path"]).stat().st_mtime // 31_556_952) for line in live}
    assert len(years) >= 6


def test_an_existing_folder_is_never_written_into(tmp_path: Path):
    (tmp_path / "nas").mkdir()
    with pytest.raises(ConfigurationError, match="exists already"):
        generate_office(tmp_path / "nas", files=FILES, projects=PROJECTS, seed=1)
    assert list((tmp_path / "nas").iterdir()) == []


def test_what_a_killed_run_left_is_no_office_and_does_not_disturb_the_next(office: Path, tmp_path: Path):
    (tmp_path / "nas.partial" / "projekte").mkdir(parents=True)
    (tmp_path / "nas.partial" / "projekte" / "halb.pdf").write_bytes(b"half")
    generate_office(tmp_path / "nas", files=60, projects=PROJECTS, seed=1)
    assert "projekte/halb.pdf" not in _tree(tmp_path / "nas")
    assert not (tmp_path / "nas.partial").exists()
