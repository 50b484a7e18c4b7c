"""Which project a mail belongs to, as far as its labels and its subject say so without doubt, and where its
attachments go.

Substrings prove nothing (lesson 15): a folder is meant where a label is its whole name, or where the number that its
name begins with stands in a label or subject by itself. Where several folders are meant, none is. The register of
projects will take the place of this module.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.folding import folded
from ibhelm_pipelines.vendors.missive.attachment_names import mail_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

INBOX = "IBH-INBOX"
"""The folder for attachments in each project folder."""

_NUMBER = r"[0-9]+(?:[-./_][0-9]+)*(?![^\W_])(?![-./_][0-9])"
_AT_START = re.compile(rf"({_NUMBER})")
_WHOLE_NUMBERS = re.compile(rf"(?<![^\W_])(?<![0-9][-./_])({_NUMBER})(?=[\W_]*([^\W_]*))")
_YEAR = re.compile(r"(19|20)\d\d")
_WORD = re.compile(r"[^\W_]+")
_MIN_DIGITS = 4
"""Shorter numbers stand in too many subjects: rooms, cost groups, amounts."""

@dataclass(frozen=True, kw_only=True)
class Mail:
    """What of a mail or comment decides where its attachments go.

    Attributes:
        day: as yyyymmdd.
        labels: names of the labels of its conversation.
        subjects: its own and its conversation's.
    """

    day: str
    sender: str
    subject: str
    labels: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()


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
        self._by_name: dict[str, set[bytes]] = defaultdict(set)
        self._by_number: dict[str, set[tuple[bytes, str]]] = defaultdict(set)
        for raw_folder in raw_folders:
            name = folded(raw_folder.rpartition(b"/")[2].decode("utf-8", "replace"))
            self._by_name[name].add(raw_folder)
            number = _AT_START.match(name)
            if number and sum(map(str.isdigit, number[1])) >= _MIN_DIGITS:
                word = _WORD.search(name, number.end())
                self._by_number[number[1]].add((raw_folder, word[0] if word else ""))

    def of(self, mail: Mail) -> bytes | None:
        """Return the one project folder that labels and subjects name, or None."""
        found = {folder for label in mail.labels for folder in self._by_name.get(folded(label), ())}
        for text in (*mail.labels, *mail.subjects):
            for number, word in _WHOLE_NUMBERS.findall(folded(text)):
                found |= {
                    folder
                    for folder, next_word in self._by_number.get(number, ())
                    if not _YEAR.fullmatch(number) or (word and word == next_word)  # or a year of whatever
                }
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
