"""The one table of content families: which reader makes what of which kind, and the version its results carry.

A family is a word that sniffing gives. Adding a file type means a module with readers and a line here; raising
`revision` redoes this family and this step, and nothing else. Readers are named, not imported: only the sandbox loads
them.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import BinaryIO, Literal, cast

from ibhelm_pipelines.content.limits import Limits
from ibhelm_pipelines.content.outcome import Outcome, Step

ReadStep = Literal["thumbnail", "text"]
Reader = Callable[[BinaryIO, Limits], Outcome]

UNOPENED = "unopened"
"""Stands for the family of a content that could not be looked into yet."""

_HERE = "ibhelm_pipelines.content"


@dataclass(frozen=True, kw_only=True)
class Tool:
    """One reader of one family.

    Attributes:
        reader: `module:function` below this package; None where there is none, with the reason in `refusal`.
        revision: of our own code; raise it when its results change.
        libraries: distributions whose versions decide the result.
        refusal: why there is no reader; `{name}` is the everyday name of the kind.
    """

    reader: str | None = None
    revision: int = 1
    libraries: tuple[str, ...] = ()
    refusal: str = ""

    def explain_refusal(self, name: str) -> str:
        """Return the reason for a content of this kind."""
        return self.refusal.format(name=name)


def _refuses(refusal: str) -> dict[ReadStep, Tool]:
    return {"thumbnail": Tool(refusal=f"{refusal}: no preview yet"), "text": Tool(refusal=f"{refusal}: no text yet")}


def _reads(thumbnail: str, text: str, revision: int = 1) -> dict[ReadStep, Tool]:
    return {
        "thumbnail": Tool(reader=thumbnail, revision=revision, libraries=("pymupdf",)),
        "text": Tool(reader=text, revision=revision),
    }


FAMILIES: dict[str, dict[ReadStep, Tool]] = {
    "pdf": {
        "thumbnail": Tool(reader="pdf:thumbnail", libraries=("pymupdf",)),
        "text": Tool(reader="pdf:text", libraries=("pymupdf",)),
    },
    "image": {
        "thumbnail": Tool(reader="image:thumbnail", libraries=("pillow", "pillow-heif")),
        "text": Tool(refusal="Picture: text in pictures is not read yet (no OCR)"),
    },
    "text": _reads("text:thumbnail", "text:text"),
    "csv": _reads("text:thumbnail_csv", "text:text"),
    "html": _reads("markup:html_thumbnail", "markup:html_text", revision=2),
    "xml": _reads("markup:xml_thumbnail", "markup:xml_text"),
    "office": _refuses("Office file ({name})"),
    "mail": _refuses("E-mail file ({name})"),
    "cad": _refuses("CAD file ({name})"),
    "archive": _refuses("Archive ({name})"),
    "media": _refuses("Film or sound ({name})"),
    "other": _refuses("File of another kind ({name})"),
    "empty": {},
}

STORE_VERSION = "store/1"


@cache
def tool_version(family: str, step: Step) -> str:
    """Return the version that results of this step on this family carry, such as `pdf/1 pymupdf-1.26.7`."""
    if step == "store":
        return STORE_VERSION
    tool = FAMILIES.get(family, {}).get(step, Tool())
    libraries = (f"{name}-{version(name)}" for name in tool.libraries)
    return " ".join((f"{family}/{tool.revision}", *libraries))


def tool_versions(step: Step) -> dict[str, str]:
    """Return the current tool version of every family for a step."""
    return {family: tool_version(family, step) for family in (*FAMILIES, UNOPENED)}


def tool_for(family: str, step: ReadStep) -> Tool:
    """Return the tool that does this step for this family, or that says why there is none."""
    return FAMILIES[family][step]


def load_reader(reader: str) -> Reader:
    """Import and return a reader by its name; only the sandbox does this."""
    module, function = reader.split(":")
    return cast("Reader", getattr(importlib.import_module(f"{_HERE}.{module}"), function))


def reader_modules() -> list[str]:
    """Return the modules of all readers, for the sandbox to load once."""
    readers = (tool.reader for tools in FAMILIES.values() for tool in tools.values() if tool.reader)
    return sorted({f"{_HERE}.{reader.split(':')[0]}" for reader in readers})
