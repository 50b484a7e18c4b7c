"""The kind of mount decides how a share is watched, and a person may decide otherwise."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ibhelm_pipelines.errors import ShareUnavailableError
from ibhelm_pipelines.live.mounts import choose, mounts_of, parse_mountinfo, select
from ibhelm_pipelines.settings import Settings

MOUNTINFO = rb"""22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:26 / /proc rw,nosuid - proc proc rw
40 22 0:50 / /mnt/nas rw,relatime shared:7 master:2 - nfs4 nas:/volume1/Projekte rw,vers=4.1
41 22 0:51 / /mnt/B\303\274ro\040\134alt rw - cifs //nas/B\303\274ro\040alt rw
42 22 8:2 / /srv/share rw - btrfs /dev/sdb rw
43 42 0:52 / /srv/share/Archiv rw - fuse.sshfs archiv:/ rw
44 22 0:53 / /srv/share2 rw - nfs nas:/x rw
"""


def settings(mode: str = "auto") -> Settings:
    return Settings(_env_file=None, watch_mode=mode)


@pytest.mark.parametrize(
    ("number", "root", "mode", "threads", "why"),
    [
        (22, b"/home/nas", "inotify", 1, "a local ext4"),
        (40, b"/mnt/nas", "poll", 16, "/mnt/nas is a nfs4 mount of nas:/volume1/Projekte"),
        (40, b"/mnt/nas/Projekte", "poll", 16, "nfs4"),
        (41, "/mnt/Büro \\alt".encode(), "poll", 16, "/mnt/Büro \\alt is a cifs mount of //nas/Büro alt"),
        (42, b"/srv/share", "poll", 16, "/srv/share/Archiv is a fuse.sshfs mount"),  # a remote one below a local root
        (42, b"/srv/share/Projekte", "inotify", 1, "a local btrfs"),
    ],
)
def test_auto_looks_at_the_mount(number: int, root: bytes, mode: str, threads: int, why: str) -> None:
    choice = choose(settings(), select(parse_mountinfo(MOUNTINFO), number, root))
    assert (choice.mode, choice.threads) == (mode, threads)
    assert why in choice.why


def test_a_person_decides_and_is_told_what_that_means() -> None:
    choice = choose(settings("inotify"), select(parse_mountinfo(MOUNTINFO), 40, b"/mnt/nas"))
    assert choice.mode == "inotify"
    assert "IBHELM_WATCH_MODE says so" in choice.why
    assert "does not tell what others change" in choice.why
    assert choose(settings("poll"), select(parse_mountinfo(MOUNTINFO), 22, b"/home")).threads == 1


def test_the_mount_of_a_real_folder_is_found_through_a_symbolic_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/proc")
    [mount, *_] = mounts_of(os.fsencode(tmp_path / "link"))
    assert (mount.kind, mount.point) == ("proc", b"/proc")


def test_a_root_that_is_not_there_is_a_share_that_is_away(tmp_path: Path) -> None:
    with pytest.raises(ShareUnavailableError, match="cannot be read"):
        mounts_of(os.fsencode(tmp_path / "missing"))
