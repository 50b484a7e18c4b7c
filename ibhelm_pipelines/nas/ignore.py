"""Which names on the share are none of the office's files: Synology's own folders, lock and scratch files, hidden
files.

A rule set that cannot be compiled stops the scan (lesson 45: a missing policy means stop, not "everything
allowed"). What is left out is counted by its reason, so that the admin sees a rule that catches too much.
"""

from __future__ import annotations

import fnmatch
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibhelm_pipelines.settings import Settings

HIDDEN = "hidden"
SYMLINK = "symbolic link"
SPECIAL = "device, socket or pipe"


@dataclass(frozen=True, kw_only=True)
class IgnoreRules:
    """Compiled rules; names are compared without regard to case, as the Windows clients of the share do.

    Attributes:
        leaves_out_file: tells of a file's name whether it is left out; one call of a compiled pattern.
    """

    leaves_out_file: Callable[[str], object]
    folders: re.Pattern[str]
    file_patterns: tuple[str, ...]
    hidden: bool

    @classmethod
    def from_settings(cls, settings: Settings) -> IgnoreRules:
        """Compile the patterns of the settings."""
        hidden = (".*",) if settings.ignore_hidden else ()
        return cls(
            leaves_out_file=_compile((*settings.ignored_files, *hidden)).match,
            folders=_compile(settings.ignored_folders),
            file_patterns=settings.ignored_files,
            hidden=settings.ignore_hidden,
        )

    def folder_reason(self, name: str) -> str | None:
        """Return why a folder is not entered, or None."""
        if self.folders.match(name):
            return name
        return HIDDEN if self.hidden and name.startswith(".") else None

    def leaves_out_below(self, raw_path: bytes) -> bool:
        """Tell whether a path stands below a folder that is not entered."""
        return any(self.folder_reason(os.fsdecode(part)) is not None for part in raw_path.split(b"/")[:-1])

    def file_reason(self, name: str) -> str:
        """Return why a file that is left out is: the pattern that it fits, or that it is hidden."""
        fitting = (p for p in self.file_patterns if fnmatch.fnmatchcase(name.casefold(), p.casefold()))
        return next(fitting, HIDDEN)


def _compile(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """One pattern for all: it is asked once per name on the share."""
    alternatives = "|".join(fnmatch.translate(pattern) for pattern in patterns) or r"(?!)"
    return re.compile(alternatives, re.IGNORECASE)
