"""Which folder the demo shows, by which marker it is known, and that one state folder never serves two shares."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ibhelm_pipelines.demo.share import generated_share, own_share
from ibhelm_pipelines.errors import ConfigurationError


@pytest.fixture
def nas(tmp_path: Path) -> Path:
    """A folder of the user's own: a project, a file, Synology's junk."""
    root = tmp_path / "nas"
    for name in ("#recycle", "@eaDir", ".hidden", "projekte"):
        (root / name).mkdir(parents=True)
    (root / "Angebot.pdf").write_bytes(b"x")
    return root


def test_a_folder_with_a_marker_file_is_known_by_it(nas: Path, tmp_path: Path):
    (nas / ".ibhelm-share").touch()
    assert own_share(nas, tmp_path / "state").share_marker == ".ibhelm-share"


def test_a_folder_without_one_is_known_by_a_folder_of_its_own(nas: Path, tmp_path: Path):
    assert own_share(nas, tmp_path / "state").share_marker == "projekte"


def test_a_folder_without_folders_is_known_by_a_file(tmp_path: Path):
    (tmp_path / "nas").mkdir()
    (tmp_path / "nas" / "Angebot.pdf").write_bytes(b"x")
    assert own_share(tmp_path / "nas", tmp_path / "state").share_marker == "Angebot.pdf"


def test_nothing_is_written_into_the_users_own_folder(nas: Path, tmp_path: Path):
    before = sorted(nas.rglob("*"))
    own_share(nas, tmp_path / "state").remember()
    assert sorted(nas.rglob("*")) == before


def test_the_chosen_marker_stays_chosen_though_other_entries_come_before_it(nas: Path, tmp_path: Path):
    own_share(nas, tmp_path / "state").remember()
    (nas / "anfang").mkdir()
    assert own_share(nas, tmp_path / "state").share_marker == "projekte"


def test_the_chosen_marker_stays_chosen_though_it_is_gone_so_that_the_scan_sees_the_share_as_not_mounted(
    nas: Path, tmp_path: Path
):
    own_share(nas, tmp_path / "state").remember()
    (nas / "projekte").rmdir()
    assert own_share(nas, tmp_path / "state").share_marker == "projekte"


def test_an_empty_folder_is_no_share(tmp_path: Path):
    (tmp_path / "nas").mkdir()
    with pytest.raises(ConfigurationError, match="is empty"):
        own_share(tmp_path / "nas", tmp_path / "state")


@pytest.mark.parametrize("name", ["missing", "Angebot.pdf"])
def test_what_is_no_folder_is_named_in_the_error(nas: Path, tmp_path: Path, name: str):
    with pytest.raises(ConfigurationError, match=name):
        own_share(nas / name, tmp_path / "state")


def test_the_same_folder_keeps_its_state(nas: Path, tmp_path: Path):
    first = own_share(nas, tmp_path / "state")
    first.remember()
    assert own_share(nas, tmp_path / "state") == first
    assert first.state_dir == str(tmp_path / "state")


def test_another_folder_gets_a_state_of_its_own_and_keeps_it(nas: Path, tmp_path: Path):
    own_share(nas, tmp_path / "state").remember()
    (tmp_path / "other" / "projekte").mkdir(parents=True)
    other = own_share(tmp_path / "other", tmp_path / "state")
    other.remember()
    assert Path(other.state_dir).parent == tmp_path
    assert other.state_dir != str(tmp_path / "state")
    assert own_share(tmp_path / "other", tmp_path / "state") == other


def test_the_state_of_a_real_installation_is_left_alone(nas: Path, tmp_path: Path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "env").write_text("IBHELM_DATABASE_URL=postgresql://elsewhere\n")
    assert own_share(nas, tmp_path / "state").state_dir != str(tmp_path / "state")


def test_the_office_is_generated_once_and_used_again(tmp_path: Path):
    first = generated_share(60, tmp_path / "state")
    first.remember()
    (Path(first.nas_root) / "projekte" / "mein.txt").write_text("added by hand")
    assert generated_share(60, tmp_path / "state") == first
    assert (Path(first.nas_root) / "projekte" / "mein.txt").exists()
    assert (Path(first.nas_root) / first.share_marker).exists()


def test_the_office_and_an_own_folder_live_side_by_side(nas: Path, tmp_path: Path):
    own_share(nas, tmp_path / "state").remember()
    office = generated_share(60, tmp_path / "state")
    assert Path(office.nas_root).is_relative_to(office.state_dir)
    assert office.state_dir != str(tmp_path / "state")
    office.remember()
    assert generated_share(60, tmp_path / "state") == office
    assert json.loads((tmp_path / "state" / "demo.json").read_text())["nas_root"] == str(nas)
