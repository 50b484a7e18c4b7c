"""What is wrong at this moment, as far as the tables tell.

A condition is a fact about now: whoever looks twice finds the same one twice, under the same key. Whether somebody was
told of it is not its business (reconcile). What only Dagster knows, the sensor adds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ibhelm_pipelines.db.checks import QUESTIONS
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.db.question import ask

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.db.question import Answer, Question

Severity = Literal["error", "warning"]

CHECK_PREFIX = "check:"
RUN_PREFIX = "run:"
DAGSTER_PREFIX = "dagster:"
"""Beginnings of the keys: a question to the tables, a run that failed, Dagster itself."""

LONGEST_TEXT = 1500
"""Characters of one body; a path may have 4,096 bytes."""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """Something that is wrong.

    Attributes:
        key: what it is about; the same trouble has the same key for as long as it lasts.
        title: in a few words.
        body: counts, paths, and what to do; no text of documents.
    """

    key: str
    severity: Severity
    title: str
    body: str


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one look at the tables brought.

    Attributes:
        unasked: keys about which nothing was asked this time.
    """

    conditions: tuple[Condition, ...]
    unasked: tuple[str, ...] = ()


def check_key(question: Question) -> str:
    """Return the key of the condition that this question does not pass."""
    return CHECK_PREFIX + question.name


def look(connection: Connection, now: dt.datetime) -> Finding:
    """Ask the tables: all quick questions, and of the slow ones the one that was not asked for longest.

    Args:
        connection: in autocommit mode.
        now: the time of this look.
    """
    slow = [question for question in QUESTIONS if question.slow]
    due = _due(connection, slow, now)
    asked = [question for question in QUESTIONS if not question.slow or question.name == due]
    conditions = conditions_of(ask(connection, question.at_any_moment()) for question in asked)
    if due is not None:
        note_evaluation(connection, due, now)
    unasked = tuple(check_key(question) for question in slow if question.name != due)
    return Finding(conditions=conditions, unasked=unasked)


def conditions_of(answers: Iterable[Answer]) -> tuple[Condition, ...]:
    """Return what these answers say is wrong."""
    return tuple(_condition(answer) for answer in answers if not answer.passed)


def note_evaluation(connection: Connection, what: str, now: dt.datetime) -> None:
    """Write down that something was looked at."""
    connection.execute(load_queries("alerts")["note_evaluation"], {"what": what, "now": now})


def plain(text: str) -> str:
    """Return a text that no name of a file can break: one line, nothing invisible, not too long."""
    line = "".join(char if char.isprintable() else "\ufffd" for char in " ".join(text.split()))
    return line if len(line) <= LONGEST_TEXT else f"{line[:LONGEST_TEXT]} ..."


def _due(connection: Connection, slow: list[Question], now: dt.datetime) -> str | None:
    names = [question.name for question in slow]
    row = connection.execute(load_queries("alerts")["slow_question_due"], {"names": names, "now": now}).fetchone()
    return None if row is None else str(row[0])


def _condition(answer: Answer) -> Condition:
    question = answer.question
    return Condition(
        key=check_key(question),
        severity=question.severity,
        title=question.name.replace("_", " ").capitalize(),
        body=f"{answer.problem} {answer.next_step}",
    )
