"""Which names on the share are none of the office's files: Synology's own folders, lock and scratch files, hidden
files.

A rule set that cannot be compiled stops the scan (lesson 45: a missing policy means stop, not "everything
allowed"). What is left out is counted by its reason, so that the admin sees a rule that catches too much.
"""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ibhelm_pipelines.settings import Settings

HIDDEN = "hidden"
SYMLINK = "symbolic link"
SPECIAL = "device, socket or pipe"


@dataclass(frozen=True, kw_only=True)
class IgnoreRules:
    """Compiled rules; names are compared without regard to case, as the Windows clients of the share do."""

    folders: re.Pattern[str]
    files: re.Pattern[str]
    patterns: tuple[str, ...]
    hidden: bool

    @classmethod
    def from_settings(cls, settings: Settings) -> IgnoreRules:
        """Compile the patterns of the settings."""
        return cls(
            folders=_compile(settings.ignored_folders),
            files=_compile(settings.ignored_files),
            patterns=settings.ignored_files,
            hidden=settings.ignore_hidden,
        )

    def folder_reason(self, name: str) -> str | None:
        """Return why a folder is not entered, or None."""
        if self.folders.match(name):
            return name
        return HIDDEN if self.hidden and name.startswith(".") else None

    def file_reason(self, name: str) -> str | None:
        """Return why a file is not recorded, or None."""
        if self.files.match(name):
            return next(p for p in self.patterns if fnmatch.fnmatchcase(name.casefold(), p.casefold()))
        return HIDDEN if self.hidden and name[0] == "." else None


def _compile(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """One pattern for all: it is asked once per name on the share."""
    alternatives = "|".join(fnmatch.translate(pattern) for pattern in patterns) or r"(?!)"
    return re.compile(alternatives, re.IGNORECASE)
