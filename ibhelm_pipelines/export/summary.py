"""The beginning and the end of an export: its index, what it says of itself, and the list of all its files."""

from __future__ import annotations

import hashlib
import heapq
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.export import conversations, files, listings, tasks, timeline
from ibhelm_pipelines.export.pages import HERE, write_page
from ibhelm_pipelines.wording import minute

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ibhelm_pipelines.export.output import Output
    from ibhelm_pipelines.export.reading import Row

INDEX, READ_ME, MANIFEST = "index.html", "LIESMICH.txt", "SHA256SUMS"
MOST_PICTURES = 10
MOST_FOLDERS = 24
TABLES = {
    files.SHEET: "Dateien", conversations.MAIL_SHEET: "Mails", conversations.COMMENT_SHEET: "Kommentare zu Mails",
    tasks.TASK_SHEET: "Aufgaben", tasks.COMMENT_SHEET: "Kommentare zu Aufgaben", tasks.TIME_SHEET: "Zeiten",
    listings.PEOPLE_SHEET: "Beteiligte",
}  # fmt: skip
PAGES = {
    "files": files.FOLDERS, "mails": conversations.LIST, "tasks": tasks.TASKS, "times": tasks.TIMES,
    "people": listings.PEOPLE, "cost_groups": listings.COST_GROUPS, "places": listings.PLACES,
    "timeline": timeline.TIMELINE,
}  # fmt: skip


def write_summary(output: Output, project: Row, values: Mapping[str, Any]) -> None:
    """Write the index and what the export says of itself; the list of all files comes last."""
    notes = {kind: (listings.write_notes(output, kind), output.book.count_notes(kind)) for kind in listings.NOTES}
    said = {
        "project": project,
        "notes": notes,
        "note_titles": listings.NOTES,
        "tables": TABLES,
        "pages": PAGES,
        **values,
    }
    write_page(
        output, INDEX, "index", title=project["name"], pictures=_pictures(output), most_folders=MOST_FOLDERS,
        read_me=READ_ME, manifest=MANIFEST, kinds=timeline.KINDS, **said,
    )  # fmt: skip
    _write_read_me(output, project, values)
    _write_manifest(output)


def _pictures(output: Output) -> list[dict[str, Any]]:
    """Return the newest files that have a preview, each content once."""
    shown: dict[str, dict[str, Any]] = {}
    newest = heapq.nlargest(4 * MOST_PICTURES, _with_preview(output), key=lambda row: (row["modified_at"], row["id"]))
    for row in newest:
        shown.setdefault(row["content_hash"], row)
    return list(shown.values())[:MOST_PICTURES]


def _with_preview(output: Output) -> Iterator[dict[str, Any]]:
    for _, _, path, problem, row in output.book.files():
        preview = output.book.where("preview", row["content_hash"]) if row["content_hash"] else None
        if preview and problem is None and row["deleted_at"] is None:
            yield {**row, "path": path, "preview": preview}


def _write_read_me(output: Output, project: Row, values: Mapping[str, Any]) -> None:
    """As Windows' own editor has shown it since ever: with a mark, and with its line ends."""
    text = (HERE / "templates" / READ_ME).read_text(encoding="utf-8")
    counts = values["counts"]
    filled = text.format(
        project=project["name"], time=minute(output.now), deleted="" if values["with_deleted"] else "nicht ", **counts
    )
    output.write(READ_ME, filled.replace("\n", "\r\n").encode("utf-8-sig", "replace"))


def _write_manifest(output: Output) -> None:
    spooled, digest, size = output.target.spool(), hashlib.sha256(), 0
    for path, sha256, _ in output.book.written():
        line = f"{sha256}  {path}\n".encode()
        spooled.write(line)
        digest.update(line)
        size += len(line)
    output.place(spooled, MANIFEST, sha256=digest.hexdigest(), size=size)
