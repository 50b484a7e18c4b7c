"""The pages of conversations, and their list and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.export.mails import Mails, body_of, by_conversation
from ibhelm_pipelines.export.pages import PAGES, link
from ibhelm_pipelines.export.paging import Series, write_series
from ibhelm_pipelines.export.sheets import Sheet
from ibhelm_pipelines.wording import OFFICE_TIME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibhelm_pipelines.export.originals import Originals
    from ibhelm_pipelines.export.output import Output
    from ibhelm_pipelines.export.reading import Reader, Row

LIST = f"{PAGES}/unterhaltungen.html"
MAIL_SHEET, COMMENT_SHEET = "tabellen/nachrichten.csv", "tabellen/kommentare-zu-mails.csv"
MESSAGES_PER_PAGE = 40
STATES = {"open": "offen", "closed": "geschlossen"}
KINDS = {"to": "An", "cc": "Kopie", "bcc": "Blindkopie", "reply_to": "Antwort an"}


def write_conversations(reader: Reader, output: Output, originals: Originals) -> dict[str, int]:
    """Write all mails, pages and tables of conversations; return how many there are of what."""
    heads = {row["id"]: row for row in reader.stream("conversations")}
    mails = Mails(reader, output, originals)
    columns = ("Zeit", "Von", "Adresse", "An", "Betreff", "Unterhaltung", "Art", "Anhänge", "Text", "Datei")
    with (
        Sheet(output, MAIL_SHEET, columns) as sheet,
        Sheet(output, COMMENT_SHEET, ("Zeit", "Von", "Unterhaltung", "Text", "Aufgabe", "Stand")) as comments,
    ):
        for number, messages in by_conversation(mails.messages()):
            _write_conversation(output, heads.get(number), _told(messages, heads.get(number), sheet, comments))
    _write_list(output, heads)
    return {"conversations": len(heads), "mails": mails.mails, "email_comments": mails.comments}


def _write_conversation(output: Output, head: Row | None, messages: Iterator[dict[str, Any]]) -> None:
    if head is None:
        for _ in messages:  # it was linked after the list was read; the next export has it
            pass
        return
    stem = f"unterhaltung-{head['id']:06}"
    output.book.put("conversation", head["id"], f"{PAGES}/{stem}.html")
    series = Series(
        stem=stem, title=head["subject"], template="conversation", per_page=MESSAGES_PER_PAGE,
        back=(LIST, "Unterhaltungen"), values={"head_row": head, "state": STATES.get(head["state"], head["state"]),
                                               "kinds": KINDS, "body": body_of, "pictures": _pictures},
        on_row=lambda row, path: _note_place(output, row, path),
    )  # fmt: skip
    write_series(output, series, ((_day(row), row) for row in messages))
    _note_links(output, head, f"{PAGES}/{stem}.html")


def _day(row: Row) -> str:
    return f"{row['at'].astimezone(OFFICE_TIME):%d.%m.%Y}" if row["at"] else "Ohne Datum"


def _pictures(row: Row, here: str) -> dict[str, str]:
    return {each["missive_id"]: link(each["path"], here) for each in row["attachments"] if each["path"]}


def _note_place(output: Output, row: Any, page: str) -> None:
    place = f"{page}|{row['anchor']}"
    output.book.put("email" if row["kind"] == "email" else "email_comment", row["id"], place)
    for each in row["attachments"]:
        output.book.put("email_attachment", each["id"], place)


def _note_links(output: Output, head: Row, path: str) -> None:
    for kind, name in (("cost_group", "cost_groups"), ("place", "places")):
        for label in head[name]:
            output.book.link(kind, label, "Unterhaltung", head["subject"], path)


def _told(
    messages: Iterator[dict[str, Any]], head: Row | None, sheet: Sheet, comments: Sheet
) -> Iterator[dict[str, Any]]:
    """Yield the messages, each written to its table on the way."""
    subject = head["subject"] if head else None
    for row in messages:
        if row["kind"] == "email":
            to = [name or address for kind, name, address in row["recipients"] if kind == "to"]
            attached = [each["name"] for each in row["attachments"] if not each["is_inline"]]
            sheet.write(row["at"], row["from_name"], row["from_address"], to, row["subject"], subject, row["type"],
                        attached, row["body_text"], row["path"])  # fmt: skip
        else:
            comments.write(row["at"], row["author"], subject, row["body"], row["task"], row["task_state"])
        yield row


def _write_list(output: Output, heads: dict[int, Row]) -> None:
    """Write the list, newest first; those without a message have no page."""
    series = Series(
        stem="unterhaltungen", title="Mails und Kommentare", template="conversations", values={"states": STATES}
    )
    rows = ({**head, "path": output.book.where("conversation", head["id"])} for head in heads.values())
    write_series(output, series, ((_year(row), row) for row in rows))


def _year(row: Row) -> str:
    last = row["last_at"] or row["last_activity_at"]
    return f"{last.astimezone(OFFICE_TIME):%Y}" if last else "Ohne Datum"
