"""Where a file tells what it is about: nobody can find what stands nowhere but in a picture."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ibhelm_pipelines.demo.model import OfficeFile


def told_by(path: str, file: OfficeFile) -> dict[str, str | None]:
    """Return, for each of cost_group, building, level and room that is true of a file, what tells it first.

    That is `folder`, `name` or `text`; None where nothing but a picture does, or nothing at all.
    """
    folder, _, name = unicodedata.normalize("NFC", path).rpartition("/")
    return {
        fact: "folder" if _says(in_folder, folder) else "name" if _says(in_name, name) else _of_text(file, fact)
        for fact, in_folder, in_name in _facts(file)
    }


def _facts(file: OfficeFile) -> list[tuple[str, str, str]]:
    """What is true of a file: which fact, and how a folder and a name say it."""
    place = file.place
    group = f"KGR ?{file.cost_group}"
    facts = [("cost_group", group, group)] if file.cost_group else []
    for fact, value, mark in (
        ("building", place and place.building, "O-"),
        ("level", place and place.level, ""),
        ("room", place and place.room, "Raum "),
    ):
        if value:
            in_name = value if fact == "building" else mark + value
            facts.append((fact, re.escape(mark + value), re.escape(in_name)))
    return facts


def _says(pattern: str, text: str) -> bool:
    return re.search(rf"(?<![^\W_]){pattern}(?![^\W_])", text) is not None


def _of_text(file: OfficeFile, fact: str) -> str | None:
    return "text" if fact in file.text_tells else None
