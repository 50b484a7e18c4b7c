"""Tasks with their comments, and the time that was spent on the project: pages and tables."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from ibhelm_pipelines.export.pages import PAGES
from ibhelm_pipelines.export.paging import Series, write_series
from ibhelm_pipelines.export.sheets import Sheet
from ibhelm_pipelines.wording import OFFICE_TIME, day

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibhelm_pipelines.export.output import Output
    from ibhelm_pipelines.export.paging import Group
    from ibhelm_pipelines.export.reading import Reader, Row

TASK_SHEET, COMMENT_SHEET = "tabellen/aufgaben.csv", "tabellen/kommentare-zu-aufgaben.csv"
TIME_SHEET = "tabellen/zeiten.csv"
TASKS, TIMES = f"{PAGES}/aufgaben.html", f"{PAGES}/zeiten.html"
STATES = {"open": "offen", "completed": "erledigt", "archived": "archiviert"}
TASKS_PER_PAGE = 60


def write_tasks(reader: Reader, output: Output) -> dict[str, int]:
    """Write tasks and their comments; return how many there are of what."""
    series = Series(
        stem="aufgaben", title="Aufgaben", template="tasks", per_page=TASKS_PER_PAGE, values={"states": STATES},
        on_row=lambda row, path: _note_place(output, row, path),
    )  # fmt: skip
    counts = {"tasks": 0, "task_comments": 0}
    columns = ("Nummer", "Liste", "Aufgabe", "Stand", "Art", "Priorität", "Fortschritt", "Zuständig", "Beginn",
               "Fällig", "Erledigt", "Erledigt von", "Angelegt", "Angelegt von", "Geändert", "Geschätzt (Minuten)",
               "Erfasst (Minuten)", "Schlagwörter", "Felder", "Kostengruppen", "Orte", "Teilaufgabe von",
               "Beschreibung")  # fmt: skip
    with (
        Sheet(output, TASK_SHEET, columns) as sheet,
        Sheet(output, COMMENT_SHEET, ("Aufgabe Nummer", "Aufgabe", "Zeit", "Von", "Text")) as comments,
    ):
        rows = _told(
            reader.details("tasks_by_id", (row["id"] for row in reader.stream("tasks"))), sheet, comments, counts
        )
        write_series(output, series, ((row["task_list"], row) for row in rows))
    return counts


def _told(rows: Iterator[Row], sheet: Sheet, comments: Sheet, counts: dict[str, int]) -> Iterator[dict[str, Any]]:
    for row in rows:
        counts["tasks"] += 1
        sheet.write(
            row["id"], row["task_list"], row["name"], STATES.get(row["state"], row["state"]), row["task_type"],
            row["priority"], row["progress"], row["assignees"], row["starts_on"], row["due_on"], row["completed_at"],
            row["completer"], row["created_at"], row["creator"], row["updated_at"], row["estimate_minutes"],
            int(row["minutes"]), row["tags"], row["fields"], row["cost_groups"], row["places"], row["parent"],
            row["description"],
        )  # fmt: skip
        said = [{**each, "at": _moment(each["at"])} for each in row["comments"]]
        for each in said:
            counts["task_comments"] += 1
            comments.write(row["id"], row["name"], each["at"], each["author"], each["body"])
        yield {**row, "comments": said, "anchor": f"a{row['id']}"}


def _moment(text: str | None) -> dt.datetime | None:
    return dt.datetime.fromisoformat(text) if text else None


def _note_place(output: Output, row: Any, page: str) -> None:
    place = f"{page}|{row['anchor']}"
    output.book.put("task", row["id"], place)
    for kind, name in (("cost_group", "cost_groups"), ("place", "places")):
        for label in row[name]:
            output.book.link(kind, label, "Aufgabe", row["name"], place)


def write_times(reader: Reader, output: Output) -> tuple[list[Group], int]:
    """Write the time entries by month; return the months, and the minutes of all."""
    series = Series(stem="zeiten", title="Zeiten", template="times")
    minutes = 0

    def told(sheet: Sheet) -> Iterator[tuple[str, dict[str, Any]]]:
        nonlocal minutes
        for row in reader.stream("time_entries"):
            minutes += row["minutes"]
            spent = day(row["spent_at"]) if row["spent_at"] else None
            sheet.write(spent, row["person"], row["minutes"], row["is_billable"], row["task"], row["description"])
            month = f"{row['spent_at'].astimezone(OFFICE_TIME):%Y-%m}" if row["spent_at"] else ""
            yield month, {**row, "path": output.book.where("task", row["task_id"]) if row["task_id"] else None}

    with Sheet(output, TIME_SHEET, ("Tag", "Person", "Minuten", "Abrechenbar", "Aufgabe", "Beschreibung")) as sheet:
        months = write_series(output, series, told(sheet))
    return months, minutes
