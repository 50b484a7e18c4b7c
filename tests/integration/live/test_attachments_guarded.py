"""Attachments are written nowhere but into inboxes of a share that is there: no link, no file and no empty mount point
leads elsewhere."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mailed_attachments import (
    PROJECT,
    MailedAttachments,
    send,
)
from nas_tree import as_nobody

from ibhelm_pipelines.errors import ConfigurationError, ShareUnavailableError
from ibhelm_pipelines.live.attachments import save_attachments
from ibhelm_pipelines.settings import Settings

MAIL = f"{PROJECT}/IBH-INBOX/20260306-Jürgen Müller-Angebot Lüftung"


@pytest.fixture
def desk(settings: Settings) -> Iterator[MailedAttachments]:
    with MailedAttachments(settings) as desk:
        desk.project()
        yield desk


@pytest.mark.parametrize("where", [f"{PROJECT}/IBH-INBOX", MAIL, PROJECT])
def test_a_symbolic_link_leads_nowhere(desk: MailedAttachments, tmp_path: Path, where: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    link = desk.nas.path(where)
    if link.exists():
        link.rmdir()
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(outside, target_is_directory=True)
    [attachment] = desk.mail("m", ("a.pdf", b"a"))

    assert desk.save().failed == 1

    assert list(outside.iterdir()) == []
    assert "cannot be written" in desk.reason(attachment)
    assert desk.written() == {}


def test_a_file_that_stands_where_the_inbox_should_is_left_alone(desk: MailedAttachments) -> None:
    desk.nas.write(f"{PROJECT}/IBH-INBOX", b"not a folder")
    [attachment] = desk.mail("m", ("a.pdf", b"a"))
    assert desk.save().failed == 1
    assert desk.nas.path(f"{PROJECT}/IBH-INBOX").read_bytes() == b"not a folder"
    assert "Not a directory" in desk.reason(attachment)


def test_a_link_in_place_of_a_file_is_not_followed(desk: MailedAttachments, tmp_path: Path) -> None:
    target = tmp_path / "secret"
    target.write_bytes(b"same")
    desk.nas.path(MAIL).mkdir(parents=True)
    desk.nas.path(f"{MAIL}/a.pdf").symlink_to(target)
    [attachment] = desk.mail("m", ("a.pdf", b"same"))
    desk.save()
    assert desk.path_of(attachment) == f"{MAIL}/a (2).pdf"
    assert target.read_bytes() == b"same"


def test_nothing_is_written_where_the_share_is_not_mounted(desk: MailedAttachments) -> None:
    [attachment] = desk.mail("m", ("a.pdf", b"a"))
    marker = desk.nas.path(".ibhelm-share")
    marker.unlink()
    shutil.rmtree(desk.nas.path("projekte"))
    with pytest.raises(ShareUnavailableError, match="not mounted"):
        desk.save()
    assert list(desk.nas.root.iterdir()) == []
    assert desk.requests == []
    assert desk.reason(attachment) == "", "no attempt of the attachment"
    marker.touch()
    desk.project()
    desk.save()
    desk.assert_linked(attachment)


def test_a_share_that_vanishes_while_an_attachment_is_fetched_is_not_written(desk: MailedAttachments) -> None:
    [attachment] = desk.mail("m", ("a.pdf", b"a"))

    def unmount(handler: Any, data: bytes) -> None:
        desk.nas.path(".ibhelm-share").unlink()
        send(handler, 200, data)

    desk.failing("m.0", unmount)
    with pytest.raises(ShareUnavailableError):
        desk.save()
    assert desk.written() == {}
    desk.nas.path(".ibhelm-share").touch()
    assert desk.save().saved == 1
    desk.assert_linked(attachment)


def test_another_folder_that_appears_at_the_root_is_not_written(desk: MailedAttachments, tmp_path: Path) -> None:
    desk.mail("m", ("a.pdf", b"a"))
    other = tmp_path / "other"
    shutil.copytree(desk.nas.root, other)

    def swap(handler: Any, data: bytes) -> None:
        desk.nas.root.rename(tmp_path / "old")
        other.rename(desk.nas.root)
        send(handler, 200, data)

    desk.failing("m.0", swap)
    with pytest.raises(ShareUnavailableError, match="Another folder"):
        desk.save()
    assert desk.written() == {}


def test_one_folder_that_may_not_be_written_stops_nobody_else(settings: Settings, private_folder: Path) -> None:
    root = private_folder / "nas"  # one that another user can reach
    root.mkdir()
    (root / ".ibhelm-share").touch()
    with MailedAttachments(settings.model_copy(update={"nas_root": root})) as desk:
        for folder in (PROJECT, "projekte/2305-Rathaus-HS"):
            desk.project(folder)
        desk.nas.path("projekte/2305-Rathaus-HS").chmod(0o777)
        [closed] = desk.mail("m", ("a.pdf", b"a"))
        desk.conversation("d", "2305")
        [open_] = desk.mail("n", ("b.pdf", b"b"), conversation="d")
        with as_nobody():
            report = desk.save()
        assert (report.saved, report.failed) == (1, 1)
        assert "Permission denied" in desk.reason(closed)
        desk.assert_linked(open_)


def test_where_a_scan_would_see_unfinished_files_nothing_is_begun(desk: MailedAttachments) -> None:
    settings = desk.settings.model_copy(update={"ignored_files": (), "ignore_hidden": False})
    with pytest.raises(ConfigurationError, match=r"\*\.partial"):
        save_attachments(settings)
