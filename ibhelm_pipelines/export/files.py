"""The files of the project: as they lie on the NAS, with their previews, a page per 120 of them, and a table.

They come first, because all other pages must know which of them are there.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.export.naming import Tree
from ibhelm_pipelines.export.originals import Originals, Wanted
from ibhelm_pipelines.export.pages import PAGES, write_page
from ibhelm_pipelines.export.paging import Group, Series, write_series
from ibhelm_pipelines.export.sheets import Sheet
from ibhelm_pipelines.objects.store import original_key, thumbnail_key

if TYPE_CHECKING:
    from ibhelm_pipelines.export.output import Output
    from ibhelm_pipelines.export.reading import Reader, Row

LIVE, DELETED, PREVIEWS = "dateien", "geloeschte-dateien", "vorschau"
SHEET = "tabellen/dateien.csv"
FOLDERS = f"{PAGES}/ordner.html"
UNREAD = "Die Datei konnte nie gelesen werden; ihr Inhalt ist nicht gesichert."
PER_PAGE = 120
"""With a picture each."""


def plan_files(reader: Reader, output: Output, *, with_deleted: bool) -> None:
    """Decide where each file goes."""
    trees = {False: Tree(output.book, LIVE), True: Tree(output.book, DELETED)}
    for row in reader.stream("files", with_deleted=with_deleted):
        folder, path = trees[row["deleted_at"] is not None].path_for(row["path"])
        output.book.add_file(folder, path, row)


def write_files(output: Output, originals: Originals) -> None:
    """Write the files, then their previews. What cannot be had is noted, and all else goes on."""
    total, _ = output.book.count_files()
    for done, ((number, path, row), problem) in enumerate(originals.place_all(_wanted(output)), start=1):
        output.tell("files", done, total)
        if problem is None:
            output.book.put("file", row["id"], path)
            output.book.put("content", row["content_hash"], path)
        else:
            output.book.set_problem(number, problem)
            output.book.note("missing", row["path"], problem)
    for content, problem in originals.place_all(_previews(output)):
        if problem is None:
            output.book.put("preview", content, _preview(content))


def _wanted(output: Output) -> Iterator[Wanted[tuple[int, str, Row]]]:
    for number, _, path, _, row in output.book.files():
        if row["content_hash"] is None:
            output.book.set_problem(number, UNREAD)
            output.book.note("missing", row["path"], UNREAD)
            continue
        yield Wanted(
            item=(number, path, row),
            key=original_key(row["content_hash"]),
            sha256=row["content_hash"],
            size=row["content_bytes"],
            path=path,
            modified=dt.datetime.fromisoformat(row["modified_at"]),
        )


def _previews(output: Output) -> Iterator[Wanted[str]]:
    seen = set[str]()
    for _, _, _, _, row in output.book.files():
        content = row["content_hash"]
        if row["preview_sha256"] and content not in seen:
            seen.add(content)
            yield Wanted(
                item=content,
                key=thumbnail_key(content),
                sha256=row["preview_sha256"],
                size=row["preview_bytes"],
                path=_preview(content),
                modified=output.now,
            )


def _preview(content: str) -> str:
    return f"{PREVIEWS}/{content[:2]}/{content}.webp"


def write_file_pages(output: Output) -> list[Group]:
    """Write the pages and the table; return the folders."""
    series = Series(
        stem="dateien", title="Dateien", template="files", per_page=PER_PAGE, back=(FOLDERS, "Ordner"),
        on_row=lambda row, path: _note_links(output, row, path),
    )  # fmt: skip
    folders = write_series(output, series, ((folder, row) for folder, row in _shown(output)))
    write_page(output, FOLDERS, "folders", title="Ordner und Dateien", folders=folders)
    _write_sheet(output)
    return folders


def _shown(output: Output) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, folder, path, problem, row in output.book.files():
        modified, deleted = (_moment(row[name]) for name in ("modified_at", "deleted_at"))
        yield folder, {
            **row, "path": path, "original": row["path"], "problem": problem, "anchor": f"d{number}",
            "modified_at": modified, "deleted_at": deleted, "bytes": row["content_bytes"] or row["size_bytes"],
            "preview": output.book.where("preview", row["content_hash"]) if row["content_hash"] else None,
        }  # fmt: skip


def _moment(text: str | None) -> dt.datetime | None:
    return dt.datetime.fromisoformat(text) if text else None


def _note_links(output: Output, row: Any, page: str) -> None:
    place = f"{page}|{row['anchor']}"
    output.book.put("file_page", row["id"], place)
    for kind, name in (("cost_group", "cost_groups"), ("place", "places")):
        for label in row[name]:
            output.book.link(kind, label, "Datei", row["name"], place)


def _write_sheet(output: Output) -> None:
    columns = ("Pfad auf dem NAS", "Pfad im Export", "Größe (Byte)", "Geändert", "Besitzer", "Dokumentart",
               "Kostengruppen", "Orte", "Seiten", "Notiz", "Gelöscht", "SHA-256", "Problem")  # fmt: skip
    with Sheet(output, SHEET, columns) as sheet:
        for _, row in _shown(output):
            sheet.write(
                row["original"], None if row["problem"] else row["path"], row["bytes"], row["modified_at"],
                row["created_by"], row["document_type"], row["cost_groups"], row["places"], row["page_count"],
                row["note"], row["deleted_at"], row["content_hash"], row["problem"],
            )  # fmt: skip
