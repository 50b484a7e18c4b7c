"""Files that were put onto the NAS for a mail: removed only if they are still what was put there, where it was put."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from ibhelm_pipelines.errors import ContentChangedError, FileUnreadableError
from ibhelm_pipelines.privacy.inbox_files import Seen, look, remove

CONTENT = b"Angebot"
HASH = hashlib.sha256(CONTENT).hexdigest()
TOO_LONG = b"x" * 300


@pytest.fixture
def root(tmp_path: Path) -> bytes:
    (tmp_path / "inbox" / "mail").mkdir(parents=True)
    (tmp_path / "inbox" / "mail" / "a.pdf").write_bytes(CONTENT)
    return os.fsencode(tmp_path)


def path(root: bytes, name: str) -> Path:
    return Path(os.fsdecode(root)) / name


def test_what_was_put_there_goes_with_its_empty_folder(root: bytes) -> None:
    seen = look(root, b"inbox/mail/a.pdf", HASH)
    assert seen.fate == "ours"
    assert remove(root, b"inbox/mail/a.pdf", seen)
    assert not path(root, "inbox/mail").exists()
    assert path(root, "inbox").exists()
    assert look(root, b"inbox/mail/a.pdf", HASH).fate == "absent"
    assert remove(root, b"inbox/mail/a.pdf", Seen(fate="absent")), "the folder is gone already"
    assert remove(root, b"inbox/mail/below/a.pdf", Seen(fate="absent")), "and so is the one above"


def test_a_folder_with_something_else_in_it_stays(root: bytes) -> None:
    path(root, "inbox/mail/Notiz.txt").write_bytes(b"")
    assert not remove(root, b"inbox/mail/a.pdf", look(root, b"inbox/mail/a.pdf", HASH))
    assert [each.name for each in path(root, "inbox/mail").iterdir()] == ["Notiz.txt"]


def test_nothing_goes_that_people_changed_or_that_is_something_else(root: bytes) -> None:
    os.symlink("a.pdf", path(root, "inbox/mail/link.pdf"))
    os.symlink("mail", path(root, "inbox/way"))
    os.mkdir(path(root, "inbox/mail/folder.pdf"))
    os.mkfifo(path(root, "inbox/mail/pipe.pdf"))
    for raw_path, expected in {
        b"inbox/mail/a.pdf": "0" * 64,
        b"inbox/mail/link.pdf": HASH,
        b"inbox/way/a.pdf": HASH,
        b"inbox/mail/folder.pdf": HASH,
        b"inbox/mail/pipe.pdf": HASH,
        b"inbox/../inbox/mail/a.pdf": HASH,
        b"inbox//a.pdf": HASH,
        b"inbox/mail/a.pdf/b": HASH,
    }.items():
        seen = look(root, raw_path, expected)
        assert (raw_path, seen) == (raw_path, Seen(fate="changed"))
    assert look(root, b"inbox/mail/a.pdf", None).fate == "changed", "without its hash nothing is proven"
    assert not remove(root, b"inbox/mail/a.pdf", Seen(fate="changed"))
    assert path(root, "inbox/mail/a.pdf").read_bytes() == CONTENT


def test_a_file_that_changes_in_between_stays(root: bytes) -> None:
    seen = look(root, b"inbox/mail/a.pdf", HASH)
    path(root, "inbox/mail/a.pdf").write_bytes(b"Auftrag")
    with pytest.raises(ContentChangedError):
        remove(root, b"inbox/mail/a.pdf", seen)
    assert path(root, "inbox/mail/a.pdf").read_bytes() == b"Auftrag"


def test_what_cannot_be_looked_at_or_removed_is_an_error(root: bytes) -> None:
    with pytest.raises(FileUnreadableError, match="cannot be read"):
        look(root, b"inbox/mail/" + TOO_LONG, HASH)
    seen = look(root, b"inbox/mail/a.pdf", HASH)
    with pytest.raises(FileUnreadableError, match="cannot be removed"):
        remove(root, b"inbox/mail/" + TOO_LONG, seen)
    with pytest.raises(FileUnreadableError, match="cannot be removed"):
        remove(root, b"inbox/" + TOO_LONG + b"/a.pdf", Seen(fate="absent"))
    assert remove(root, b"inbox/mail/a.pdf/b", Seen(fate="absent")), "a file took the place of its folder"
