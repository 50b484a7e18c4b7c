"""What a command says of a run that ended before it could say why."""

from __future__ import annotations

from ibhelm_pipelines.cli_job import LOG_LINES, early_end

FULL = (
    "sqlalchemy.exc.OperationalError: (psycopg2.errors.DiskFull) could not extend file: No space left on device\n"
    "[SQL: INSERT INTO runs ...]"
)


def test_a_full_disk_is_said_in_a_sentence_and_not_by_a_traceback() -> None:
    told = early_end(f"Traceback (most recent call last):\n{FULL}")
    assert told.startswith("A disk is full")
    assert "Traceback" not in told


def test_of_any_other_end_the_last_lines_are_shown() -> None:
    told = early_end("".join(f"line {number}\n" for number in range(100)))
    assert told.splitlines()[1:] == [f"line {number}" for number in range(100 - LOG_LINES, 100)]
