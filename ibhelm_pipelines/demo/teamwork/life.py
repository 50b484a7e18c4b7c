"""The office and the dice: how a mutation finds the rows that it changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibhelm_pipelines.demo.teamwork.seed import Seeding
from ibhelm_pipelines.demo.teamwork.state import Office, Row, is_deleted

if TYPE_CHECKING:
    from random import Random


class Life:
    """What a mutation works with; `by` is who does it."""

    def __init__(self, office: Office, rng: Random) -> None:
        self.office, self.rng = office, rng
        self.seeding = Seeding(office=office, rng=rng)
        self.by: int = rng.choice([row["id"] for row in office.live("people")])

    def choice(self, rows: list[Row]) -> Row | None:
        """Return one of the rows, if there are any."""
        return self.rng.choice(rows) if rows else None

    def pick(self, table: str, **values: object) -> Row | None:
        """Return a live row with these values."""
        rows = self.office.live(table)
        return self.choice([row for row in rows if all(row[key] == value for key, value in values.items())])

    def deleted(self, table: str) -> Row | None:
        """Return a row that can be restored."""
        rows = self.office.tables[table].values()
        if table == "projects":
            return self.choice([row for row in rows if row["_gone"]])
        trash = [row for row in rows if is_deleted(table, row) and not self.office.in_deleted_project(table, row)]
        return self.choice(trash)

    def tags(self, weights: tuple[int, ...]) -> list[int]:
        """Return ids of some live tags."""
        return self.seeding.some([row["id"] for row in self.office.live("tags")], weights)

    def people(self, weights: tuple[int, ...]) -> list[int]:
        """Return ids of some live people."""
        return self.seeding.some([row["id"] for row in self.office.live("people")], weights)
