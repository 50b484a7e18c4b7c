"""PDFs whose list of pages is damaged, though pages lie in the file: they are found one by one, as other programs do.

MuPDF repairs much, but believes a list that counts no pages. Only a document of which no page can be reached is mended:
in a healthy one the list decides, and pages that somebody took out of it stay out.

Runs inside the sandbox only.
"""

from __future__ import annotations

from typing import Any

from pymupdf.mupdf import FzErrorBase

from ibhelm_pipelines.content.limits import is_memory_shortage

BROKEN = (RuntimeError, ValueError, FzErrorBase)
"""What MuPDF raises for a broken object or page."""

MAX_OBJECTS = 200_000
"""Objects that are looked at; a file of 100 MB has about as many."""

TRIED_PAGES = 3


_MARK = "IBHelmFoundPages"


def find_pages(document: Any) -> None:
    """Give a document of which no page can be reached a new list of the pages that lie in it, if there are any."""
    if any(_is_reachable(document, number) for number in range(min(TRIED_PAGES, document.page_count))):
        return
    pages = [number for number in range(1, min(document.xref_length(), MAX_OBJECTS)) if _is_page(document, number)]
    if pages:
        _list_pages(document, pages)


def were_found(document: Any) -> bool:
    """Whether its list of pages is one that was made here."""
    return bool(document.xref_get_key(document.pdf_catalog(), _MARK)[1] == "true")


def _is_reachable(document: Any, number: int) -> bool:
    try:
        document.load_page(number)
    except BROKEN as error:
        if is_memory_shortage(error):
            raise
        return False
    return True


def _is_page(document: Any, number: int) -> bool:
    try:
        return bool(document.xref_get_key(number, "Type")[1] == "/Page")
    except BROKEN as error:
        if is_memory_shortage(error):
            raise
        return False


def _list_pages(document: Any, pages: list[int]) -> None:
    """The pages keep their parents, from which they may have their size and fonts."""
    kids = " ".join(f"{number} 0 R" for number in pages)
    tree, catalogue = document.get_new_xref(), document.get_new_xref()
    document.update_object(tree, f"<</Type/Pages/Count {len(pages)}/Kids[{kids}]>>")
    document.update_object(catalogue, f"<</Type/Catalog/Pages {tree} 0 R/{_MARK} true>>")
    document.xref_set_key(-1, "Root", f"{catalogue} 0 R")
