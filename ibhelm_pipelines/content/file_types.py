"""The table of families as people read it: in the terminal, and in docs/file-types.md."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ibhelm_pipelines.content.families import FAMILIES, Family, Tool
from ibhelm_pipelines.content.programs import PROGRAMS, find_program

if TYPE_CHECKING:
    from ibhelm_pipelines.settings import Settings

OWN_CODE = "own code"
NOTHING = "–"


@dataclass(frozen=True, kw_only=True)
class FileType:
    """One family as a row of words."""

    key: str
    name: str
    extensions: str
    preview_by: str
    text_by: str
    limits: str


def file_types() -> list[FileType]:
    """Return all families in their order."""
    return [_file_type(key, family) for key, family in FAMILIES.items()]


def as_markdown() -> str:
    """Return the table of docs/file-types.md; it says nothing of this machine."""
    lines = ["| Family | Usual extensions | Preview by | Text by | Own limits |", "|---|---|---|---|---|"]
    lines += [
        f"| {each.name} (`{each.key}`) | {each.extensions} | {each.preview_by} | {each.text_by} | {each.limits} |"
        for each in file_types()
    ]
    return "\n".join(lines) + "\n"


def _file_type(key: str, family: Family) -> FileType:
    return FileType(
        key=key,
        name=family.name,
        extensions=", ".join(family.extensions) or NOTHING,
        preview_by=_made_by(family.thumbnail),
        text_by=_made_by(family.text),
        limits=", ".join(filter(None, (_limits("preview", family.thumbnail), _limits("text", family.text)))),
    )


def missing_programs(family: Family, settings: Settings) -> list[str]:
    """Return the names of the programs that this family would use and this machine has not."""
    converters = {tool.converter for tool in (*_ways(family.thumbnail), *_ways(family.text)) if tool.converter}
    return sorted(PROGRAMS[each].name for each in converters if find_program(each, settings) is None)


def _ways(tool: Tool) -> Iterator[Tool]:
    """The tool, and what is done without its program."""
    yield tool
    if tool.otherwise is not None:
        yield from _ways(tool.otherwise)


def _made_by(tool: Tool) -> str:
    return "; else ".join(_one_way(way) for way in _ways(tool))


def _one_way(tool: Tool) -> str:
    if tool.reader is None:
        return NOTHING
    reader = ", ".join(tool.libraries) or OWN_CODE
    return f"{PROGRAMS[tool.converter].name}, {reader}" if tool.converter else reader


def _limits(step: str, tool: Tool) -> str:
    return f"{step}: {tool.seconds} s" if tool.seconds is not None else ""
