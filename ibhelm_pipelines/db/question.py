"""One question to the tables about what could be wrong, and its answer.

Each question is one statement of `sql/queries/checks.sql`. It passes when no row comes back; else the rows say what
is wrong, worst first. A check is asked after the work that should have put it right, and is strict. Alerts are asked at
any moment, also while that work is under way, so some questions give it time there.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from psycopg.rows import dict_row

from ibhelm_pipelines.db.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ibhelm_pipelines.db.connect import Connection

Cell = str | int | float | None

_COUNT = "count"
"""First column of every statement: how many rows there are without the limit."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """One thing that could be wrong with an asset."""

    name: str
    asset: str
    about: str
    problem: str
    """What is wrong; {count} is the number of rows, other names are columns of the worst row."""
    next_step: str
    """What the admin does about it; the same names."""
    severity: Literal["error", "warning"] = "error"
    query: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    patience: Mapping[str, str] = field(default_factory=dict)
    """Parameters that are others when it is asked at any moment."""
    slow: bool = False
    """Whether it reads every content or mail: a second for 300,000 files, too much for twice a minute."""

    def at_any_moment(self) -> Question:
        """Return the question as one asks it while work is under way."""
        return replace(self, parameters={**self.parameters, **self.patience})


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the tables say to one question."""

    question: Question
    count: int
    rows: list[dict[str, Cell]]

    @property
    def passed(self) -> bool:
        return self.count == 0

    @property
    def problem(self) -> str:
        """What is wrong, in one sentence; empty when nothing is."""
        return "" if self.passed else self._fill(self.question.problem)

    @property
    def next_step(self) -> str:
        """What to do about it; empty when nothing is wrong."""
        return "" if self.passed else self._fill(self.question.next_step)

    def _fill(self, template: str) -> str:
        return template.format_map({**self.rows[0], "count": self.count})


def ask(connection: Connection, question: Question) -> Answer:
    """Ask the tables one question."""
    statement = load_queries("checks")[question.query or question.name]
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(statement, question.parameters).fetchall()
    count = int(rows[0][_COUNT]) if rows else 0
    return Answer(
        question=question,
        count=count,
        rows=[{name: _cell(value) for name, value in row.items() if name != _COUNT} for row in rows],
    )


def _cell(value: object) -> Cell:
    return value if value is None or isinstance(value, str | int | float) else str(value)
