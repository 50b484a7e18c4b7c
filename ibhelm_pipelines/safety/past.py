"""A file as it was at a moment, and the list of all that are wanted, kept on the disk: it may be long, and neither a
transaction nor a manifest stays open for as long as a restore takes.
"""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.nas.names import display

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from ibhelm_pipelines.settings import Settings


@dataclass(frozen=True, kw_only=True)
class PastFile:
    """What a path held.

    Attributes:
        raw_path: below the NAS root, as the bytes that it had there.
        sha256: of its content; None where the file could not be read at that time.
        size: in bytes.
        mtime_ns: its modification time; None where it was not kept.
        unstored: why no object of it is known; empty where one is, or where nobody knows.
    """

    raw_path: bytes
    sha256: str | None
    size: int
    mtime_ns: int | None
    unstored: str = ""

    @property
    def path(self) -> str:
        """How people read it."""
        return display(self.raw_path)

    def as_json(self) -> dict[str, Any]:
        """Return it for one line of a file; the bytes of the name as base64."""
        return {
            "path": self.path,
            "raw_path": base64.b64encode(self.raw_path).decode(),
            "sha256": self.sha256,
            "size": self.size,
            "mtime_ns": self.mtime_ns,
        }


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All files that are wanted, in the order of their raw paths."""

    file: Path
    files: int
    size: int

    def __iter__(self) -> Iterator[PastFile]:
        with self.file.open(encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                yield PastFile(
                    raw_path=base64.b64decode(row["raw_path"]),
                    sha256=row["sha256"],
                    size=row["size"],
                    mtime_ns=row["mtime_ns"],
                    unstored=row["unstored"],
                )


def write_plan(file: Path, wanted: Iterable[PastFile]) -> Plan:
    """Write down what is wanted."""
    files = size = 0
    with file.open("w", encoding="utf-8") as lines:
        for each in wanted:
            lines.write(json.dumps({**each.as_json(), "unstored": each.unstored}) + "\n")
            files, size = files + 1, size + each.size
    return Plan(file=file, files=files, size=size)


def asked_path(settings: Settings, path: str) -> str:
    """Return what somebody typed as a path below the NAS root, as it is shown; empty for all of it.

    Raises:
        ConfigurationError: it cannot be one.
    """
    raw = os.fsencode(path)
    if raw.startswith(b"/"):
        raw = _below_the_root(settings, raw, path)
    parts = [part for part in raw.split(b"/") if part not in (b"", b".")]
    if b".." in parts or b"\0" in raw:
        raise ConfigurationError(f"{path!r} is no path below the NAS root.", next_step=_WRITE_IT_SO)
    return display(b"/".join(parts))


_WRITE_IT_SO = "Write it as it stands below the root, such as projekte/2301-Kita."


def _below_the_root(settings: Settings, raw: bytes, path: str) -> bytes:
    root = settings.root.rstrip(b"/") if settings.nas_root is not None else None
    if root is None or not (raw + b"/").startswith(root + b"/"):
        raise ConfigurationError(f"{path} does not lie below the NAS root.", next_step=_WRITE_IT_SO)
    return raw[len(root) + 1 :]


def lies_at(path: str, asked: str) -> bool:
    """Tell whether a shown path is the one that was asked for, or below it."""
    return not asked or path == asked or path.startswith(f"{asked}/")


def why_unsafe(raw_path: bytes) -> str:
    """Return why nothing may be written at a path below another root; empty for a path that is in order."""
    parts = raw_path.split(b"/")
    if not raw_path or b"\0" in raw_path:
        return "its path is none"
    if not parts[0]:
        return "its path is absolute"
    if b".." in parts or b"." in parts or b"" in parts:
        return "its path leads elsewhere"
    return ""
