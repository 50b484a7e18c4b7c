"""On what kind of file system the share stands: whether the kernel sees every change, or only those made from here.

On a mount from another machine inotify stays silent about what others change there, without any error. So the mount
that holds the root, and every mount below it, decides how we watch. The mount is found by the kernel's own number of
it, not by comparing paths: symbolic links and mounts on top of mounts do not mislead it.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ibhelm_pipelines.errors import ShareUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ibhelm_pipelines.settings import Settings

Mode = Literal["inotify", "poll"]

REMOTE_THREADS = 16
"""A look at a directory of a remote mount waits for the network, not for us."""

REMOTE_TYPES = frozenset(
    {
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "ncpfs",
        "afs",
        "coda",
        "ceph",
        "glusterfs",
        "lustre",
        "gfs2",
        "ocfs2",
        "orangefs",
        "pvfs2",
        "beegfs",
        "9p",
        "virtiofs",
        "vboxsf",
        "vmhgfs",
        "prl_fs",
        "davfs",
        "fuse",
    }
)
"""File systems on which others make changes that this kernel does not see; also everything that begins with `fuse.`
(sshfs, rclone, davfs2, vmhgfs-fuse ...)."""

_MOUNTINFO = "/proc/self/mountinfo"
_OCTAL = re.compile(rb"\\([0-7]{3})")


@dataclass(frozen=True, kw_only=True)
class Mount:
    """One line of /proc/self/mountinfo."""

    number: int
    parent: int
    point: bytes
    kind: str
    source: str

    @property
    def remote(self) -> bool:
        return self.kind in REMOTE_TYPES or self.kind.startswith("fuse.")


@dataclass(frozen=True, kw_only=True)
class Choice:
    """How the share is watched, and why, in a sentence for people."""

    mode: Mode
    why: str
    threads: int


def parse_mountinfo(text: bytes) -> list[Mount]:
    """Return the mounts that a mountinfo file lists, in its order."""
    return [_parse_line(line) for line in text.splitlines() if line.strip()]


def _parse_line(line: bytes) -> Mount:
    """`36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw`; any number of fields stands before the dash."""
    before, _, after = line.partition(b" - ")
    number, parent, _, _, point, *_ = before.split(b" ")
    kind, source, *_ = after.split(b" ")
    return Mount(
        number=int(number),
        parent=int(parent),
        point=_unescape(point),
        kind=os.fsdecode(kind),
        source=os.fsdecode(_unescape(source)),
    )


def _unescape(field: bytes) -> bytes:
    return _OCTAL.sub(lambda match: bytes([int(match[1], 8)]), field)


def mounts_of(root: bytes) -> tuple[Mount, ...]:
    """Return the mount that holds the root, and after it those that stand below the root.

    Raises:
        ShareUnavailableError: the root cannot be opened.
    """
    number, real = _mount_number(root), os.path.realpath(root)
    mounts = parse_mountinfo(Path(_MOUNTINFO).read_bytes())
    return select(mounts, number, real)


def select(mounts: Iterable[Mount], number: int, root: bytes) -> tuple[Mount, ...]:
    """Return, of all mounts, the one with this number and those whose mount point is below the root."""
    mounts = list(mounts)
    holding = [mount for mount in mounts if mount.number == number]
    prefix = root.rstrip(b"/") + b"/"
    return (*holding, *(mount for mount in mounts if mount.number != number and mount.point.startswith(prefix)))


def _mount_number(root: bytes) -> int:
    try:
        fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise ShareUnavailableError(
            f"The NAS root {os.fsdecode(root)} cannot be read ({error.strerror}).",
            next_step="Mount the share there, or correct IBHELM_NAS_ROOT.",
        ) from error
    try:
        lines = Path(f"/proc/self/fdinfo/{fd}").read_text(encoding="ascii").splitlines()
        facts = dict(line.split(":", 1) for line in lines if ":" in line)
    finally:
        os.close(fd)
    return int(facts["mnt_id"])


def choose(settings: Settings, mounts: tuple[Mount, ...]) -> Choice:
    """Decide how to watch: as the setting says, else by the mounts."""
    remote = next((mount for mount in mounts if mount.remote), None)
    if remote is None:
        holding = f"a local {mounts[0].kind}" if mounts else "a local disk"
        found = f"the share is on {holding}: the kernel tells of every change"
    else:
        found = (
            f"{os.fsdecode(remote.point)} is a {remote.kind} mount of {remote.source}: the kernel does not tell"
            " what others change there"
        )
    threads = REMOTE_THREADS if remote is not None else 1
    if settings.watch_mode != "auto":
        return Choice(mode=settings.watch_mode, why=f"IBHELM_WATCH_MODE says so; {found}", threads=threads)
    return Choice(mode="inotify" if remote is None else "poll", why=found, threads=threads)
