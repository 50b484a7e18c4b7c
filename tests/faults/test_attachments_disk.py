"""A share that is full, read-only or gone while attachments are put there: a sentence, nothing lost, nothing half."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from mailed_attachments import MailedAttachments

from ibhelm_pipelines.errors import ShareUnavailableError
from ibhelm_pipelines.settings import Settings


@pytest.fixture
def small_share(private_folder: Path) -> Iterator[Path]:
    """A share of 8 MB."""
    share = private_folder / "nas"
    share.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m,mode=0755", "tmpfs", share]
    mounted = subprocess.run(mount, capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    (share / ".ibhelm-share").touch()
    yield share
    subprocess.run(["umount", "--lazy", share], check=False)


@pytest.fixture
def desk(settings: Settings, small_share: Path) -> Iterator[MailedAttachments]:
    with MailedAttachments(settings.model_copy(update={"nas_root": small_share})) as desk:
        desk.project()
        yield desk


def test_a_full_share_ends_the_run_with_a_sentence_and_the_next_one_goes_on(desk: MailedAttachments) -> None:
    [small, large, other] = desk.mail("m", ("a.pdf", b"a"), ("b.pdf", bytes(5 << 20)), ("c.pdf", b"c"))
    ballast = desk.nas.write("ballast.bin", bytes(6 << 20))

    with pytest.raises(ShareUnavailableError, match="No space left"):
        desk.save()

    desk.assert_linked(small)
    assert len(desk.written()) == 1
    assert desk.reason(large) == "", "it is not to blame"
    ballast.unlink()
    desk.save()
    desk.assert_linked(small, large, other)


def test_a_share_that_can_only_be_read_is_said(desk: MailedAttachments) -> None:
    [attachment] = desk.mail("m", ("a.pdf", b"a"))
    subprocess.run(["mount", "-o", "remount,ro", desk.nas.root], check=True)
    with pytest.raises(ShareUnavailableError, match="Read-only"):
        desk.save()
    subprocess.run(["mount", "-o", "remount,rw", desk.nas.root], check=True)
    desk.save()
    desk.assert_linked(attachment)


def test_a_share_that_is_unmounted_leaves_its_mount_point_empty(desk: MailedAttachments) -> None:
    desk.mail("m", ("a.pdf", b"a"))
    subprocess.run(["umount", "--lazy", desk.nas.root], check=True)
    with pytest.raises(ShareUnavailableError, match="not mounted"):
        desk.save()
    assert list(desk.nas.root.iterdir()) == []


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_that_is_too_large_for_the_disk_stops_nobody_else(settings: Settings) -> None:
    with MailedAttachments(settings) as desk:
        desk.project()
        [large, small] = desk.mail("m", ("a.pdf", bytes(1 << 20)), ("b.pdf", b"b"))
        with largest_file(1 << 19):
            report = desk.save()
        assert (report.saved, report.failed) == (1, 1)
        assert "too large" in desk.reason(large)
        desk.assert_linked(small)
        assert len(desk.written()) == 1
