"""Where the attachments of a mail go: into the folder of its project, as the register has it.

Where the register knows no project (Teamwork is off), a folder is meant where a label is its whole name, or where the
number that its name begins with stands in a label or subject by itself. Where several folders are meant, none is.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.folding import folded
from ibhelm_pipelines.project_names import ProjectNames
from ibhelm_pipelines.vendors.missive.attachment_names import mail_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

INBOX = "IBH-INBOX"
"""The folder for attachments in each project folder."""


@dataclass(frozen=True, kw_only=True)
class Mail:
    """What of a mail or comment decides where its attachments go.

    Attributes:
        day: as yyyymmdd.
        labels: names of the labels of its conversation.
        subjects: its own and its conversation's.
        project_folders: of the projects that its conversation belongs to; None where the register knows none.
    """

    day: str
    sender: str
    subject: str
    labels: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    project_folders: tuple[bytes, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Place:
    """A folder below the root, all of whose levels but the first ones may have to be made.

    Attributes:
        raw_base: the project folder, which must be there; empty bytes for the root.
        below: the folders below it: the inbox first, the mail's last.
    """

    raw_base: bytes
    below: tuple[str, ...]

    @property
    def raw_path(self) -> bytes:
        return b"/".join(filter(None, (self.raw_base, *(each.encode() for each in self.below))))


class ProjectFolders:
    """The project folders of the share, by name and by number.

    Args:
        raw_folders: paths below the root.
    """

    def __init__(self, raw_folders: Iterable[bytes]) -> None:
        self._names = ProjectNames(
            (raw_folder, raw_folder.rpartition(b"/")[2].decode("utf-8", "replace")) for raw_folder in raw_folders
        )

    def of(self, mail: Mail) -> bytes | None:
        """Return the folder of the one project that the mail belongs to; where the register knows none, the one folder
        that labels and subjects name; or None.
        """
        if mail.project_folders is not None:
            return mail.project_folders[0] if len(mail.project_folders) == 1 else None
        found = {folder for label in mail.labels for folder in self._names.whole(label)}
        for text in (*mail.labels, *mail.subjects):
            found |= self._names.numbered_in(text)
        return found.pop() if len(found) == 1 else None


class Places:
    """Decides where attachments go.

    Args:
        raw_folders: the project folders, paths below the root.
        general_inbox: folder below the root for mails of no project.
        folder_depth: at which level project folders stand.
        is_left_out: whether the scanner would not enter a folder of this name.

    Raises:
        ConfigurationError: the general inbox is no path below the root, or project folders stand too deep for it.
    """

    def __init__(
        self,
        raw_folders: Iterable[bytes],
        *,
        general_inbox: str,
        folder_depth: int,
        is_left_out: Callable[[str], object] = lambda _: False,
    ) -> None:
        self._is_left_out = is_left_out
        self._general = tuple(unicodedata.normalize("NFC", general_inbox).split("/"))
        if any(part in ("", ".", "..") for part in self._general) or "\0" in general_inbox:
            raise _unusable(general_inbox, "is no path below the NAS root")
        if any(is_left_out(part) for part in (INBOX, *self._general)):
            raise _unusable(general_inbox, f"or {INBOX} is a folder that IBHELM_IGNORED_FOLDERS leaves out")
        self._levels = max(0, folder_depth - len(self._general))
        if self._levels > len(_DATE_LEVELS):
            raise _unusable(general_inbox, f"needs at least {folder_depth - len(_DATE_LEVELS)} levels, because project"
                            f" folders stand at level {folder_depth}")  # fmt: skip
        general = folded(self._general[0]).encode()
        self._projects = ProjectFolders(
            each for each in raw_folders if folded(each.decode("utf-8", "replace")).encode().split(b"/")[0] != general
        )

    def of(self, mail: Mail) -> Place:
        """Return the folder for the attachments of a mail."""
        folder = mail_folder(day=mail.day, sender=mail.sender, subject=mail.subject, is_left_out=self._is_left_out)
        project = self._projects.of(mail)
        if project is not None:
            return Place(raw_base=project, below=(INBOX, folder))
        # A folder at the level of the project folders is one; the general inbox must not have one for each mail.
        dates = tuple(mail.day[part] for part in _DATE_LEVELS[: self._levels])
        return Place(raw_base=b"", below=(*self._general, *dates, folder))


_DATE_LEVELS = (slice(0, 4), slice(4, 6), slice(6, 8))


def _unusable(general_inbox: str, what: str) -> ConfigurationError:
    return ConfigurationError(
        f"The general inbox {general_inbox!r} {what}.",
        next_step="Set IBHELM_ATTACHMENT_GENERAL_INBOX to a folder such as IBH-INBOX.",
    )
