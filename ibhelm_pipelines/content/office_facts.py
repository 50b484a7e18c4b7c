"""What Office files say of themselves: author, title, program, when they were begun, how many pages."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from contextlib import suppress

from ibhelm_pipelines.content.limits import fact
from ibhelm_pipelines.content.outcome import Facts
from ibhelm_pipelines.content.pages import Enough
from ibhelm_pipelines.content.rich_text import RichFacts
from ibhelm_pipelines.content.zip_package import START, TEXT, Package
from ibhelm_pipelines.errors import SuspectFileError

MAX_FACT_CHARS = 10_000
META = "meta.xml"


def open_xml_facts(package: Package, count: int | None) -> Facts:
    """Return the facts of docx, xlsx, pptx.

    Args:
        package: the file.
        count: its sheets or slides; the pages of a text are what Word counted.
    """
    core = _values(package, package.related("", "core-properties") or ["docProps/core.xml"])
    app = _values(package, package.related("", "extended-properties") or ["docProps/app.xml"])
    return Facts(
        page_count=count or page_count(app.get("Pages")),
        author=fact(core.get("creator")),
        title=fact(core.get("title")),
        program=fact(" ".join(filter(None, [app.get("Application"), app.get("AppVersion")]))),
        written_at=moment(core.get("created")),
    )


def open_document_facts(package: Package, count: int | None) -> Facts:
    """Return the facts of odt, ods, odp."""
    values = _values(package, [META])
    program = values.get("generator", "").partition("$")[0].replace("/", " ")
    return Facts(
        page_count=count or page_count(values.get("document-statistic page-count")),
        author=fact(values.get("initial-creator") or values.get("creator")),
        title=fact(values.get("title")),
        program=fact(program),
        written_at=moment(values.get("creation-date")),
    )


def rich_text_facts(found: RichFacts) -> Facts:
    """Return the facts of rtf."""
    values = found.values
    return Facts(
        page_count=found.pages or None,
        author=fact(values.get(b"author")),
        title=fact(values.get(b"title")),
        program=fact(values.get(b"generator", "").rstrip("; ")),
        written_at=found.written_at,
    )


def moment(value: str | None) -> dt.datetime | None:
    """Return a time as XML writes it; None where it is none, or one that no calendar of ours has."""
    with suppress(ValueError, OverflowError):
        found = dt.datetime.fromisoformat((value or "").strip()[:26])
        return found if found.year > 1601 else None  # Office writes its zero for "never"
    return None


def page_count(value: str | None) -> int | None:
    """Return a number of pages; zero is what programs write that did not count."""
    value = (value or "").strip()
    return int(value) or None if value.isdecimal() and len(value) < 7 else None


def _values(package: Package, parts: Iterable[str]) -> dict[str, str]:
    """The text of every element by its name, and `element attribute`; a damaged part says what it can."""
    values: dict[str, str] = {}
    name = ""
    with suppress(SuspectFileError, Enough):
        for kind, tag, value in (event for part in parts for event in package.events(part)):
            if kind == START:
                name = tag
                values |= {f"{tag} {key}": text for key, text in value.items()}
            elif kind == TEXT and len(values.get(name, "")) < MAX_FACT_CHARS:
                values[name] = values.get(name, "") + tag
            elif kind != TEXT:
                name = ""
    return values
