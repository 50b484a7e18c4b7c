"""The hand that writes on the share: a name is given once, whatever the file system can do and whoever is faster."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest
from nas_tree import Nas

from ibhelm_pipelines import renaming
from ibhelm_pipelines.settings import Settings
from ibhelm_pipelines.share import Share
from ibhelm_pipelines.vendors.missive.attachment_disk import Disk, Folder, Target, temporary_name
from ibhelm_pipelines.vendors.missive.attachment_places import Place

DATA = b"all of it"
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(params=["renameat2", "link"])
def folder(request: pytest.FixtureRequest, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
    if request.param == "link":  # as NFS wants it
        monkeypatch.setattr(renaming, "_renameat2", None)
    with Disk(Share.open(settings)) as disk, disk.folder(Place(raw_base=b"", below=("a", "b")), levels=2) as folder:
        yield folder


def finished(folder: Folder) -> str:
    name = temporary_name(1)
    with folder.writing(name) as file:
        file.write(DATA)
    return name


def test_a_finished_file_gets_its_name(folder: Folder, settings: Settings) -> None:
    target = folder.target("plan.pdf", size=len(DATA), sha256=DIGEST)
    assert target == Target(raw_path=b"a/b/plan.pdf", is_there=False)
    assert folder.adopt(folder, finished(folder), target) == b"a/b/plan.pdf"
    root = Nas(settings).root
    assert [path.name for path in (root / "a/b").iterdir()] == ["plan.pdf"]
    assert folder.target("PLAN.pdf", size=len(DATA), sha256=DIGEST) == Target(raw_path=b"a/b/plan.pdf", is_there=True)


def test_a_name_that_somebody_took_meanwhile_is_not_overwritten(folder: Folder, settings: Settings) -> None:
    target = folder.target("plan.pdf", size=len(DATA), sha256=DIGEST)
    temporary = finished(folder)
    theirs = Nas(settings).write("a/b/plan.pdf", b"theirs")
    assert folder.adopt(folder, temporary, target) is None
    assert theirs.read_bytes() == b"theirs"
    assert folder.adopt(folder, temporary, folder.target("plan.pdf", size=9, sha256=DIGEST)) == b"a/b/plan (2).pdf"


def test_only_unfinished_files_of_ours_are_ever_removed(folder: Folder, settings: Settings) -> None:
    Nas(settings).write("a/b/plan.pdf", DATA)
    with Disk(Share.open(settings)) as disk:
        for raw_path in (b"a/b/plan.pdf", b"a/b/x.partial", b"a/b/.ibhelm-1"):
            with pytest.raises(ValueError, match="no temporary file"):
                disk.remove_temporary(raw_path)
        disk.remove_temporary(b"a/b/" + finished(folder).encode())
        disk.remove_temporary(b"a/gone/.ibhelm-1-x.partial")
    assert [path.name for path in (Nas(settings).root / "a/b").iterdir()] == ["plan.pdf"]
