"""Whether a restored database is what was dumped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ibhelm_pipelines.db.connect import translated_errors
from ibhelm_pipelines.safety.table_counts import count_grants, count_tables, sequences_behind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.safety.backup_manifest import Manifest
    from ibhelm_pipelines.safety.table_counts import TableCount


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What was compared, and what differs.

    Attributes:
        tables: how many.
        rows: in all of them.
        rows_compared: whose contents were compared, too.
        problems: one sentence for each difference; none when it is the same.
    """

    tables: int
    rows: int
    rows_compared: int
    problems: tuple[str, ...]


def compare(connection: Connection, manifest: Manifest) -> Comparison:
    """Compare a database, as it is now, with what the manifest says of the one that was dumped.

    Args:
        connection: to the restored database, in autocommit mode; by a role that sees all of it.
        manifest: of the backup.

    Raises:
        DatabaseUnavailableError: Postgres went away.
    """
    with translated_errors(), connection.transaction():
        found = count_tables(connection, seed=manifest.seed, like=manifest.tables)
        grants = count_grants(connection)
        behind = sequences_behind(connection)
    problems = [*_table_problems(manifest.tables, found), *_grant_problems(manifest.grants, grants)]
    problems += [f"The sequence {name} would give numbers that rows have already." for name in behind]
    return Comparison(
        tables=len(found),
        rows=sum(table.rows for table in found.values()),
        rows_compared=sum(table.drawn for table in found.values()),
        problems=tuple(problems),
    )


def _table_problems(expected: Mapping[str, TableCount], found: Mapping[str, TableCount]) -> Iterator[str]:
    for name, table in expected.items():
        if name not in found:
            yield f"The table {name} is missing."
        elif found[name].rows != table.rows:
            yield f"The table {name} has {found[name].rows:,} rows instead of {table.rows:,}."
        elif found[name] != table:
            yield f"Rows of the table {name} hold something else than when they were dumped."
    for name in sorted(found.keys() - expected.keys()):
        yield f"There is a table {name} that was not dumped."


def _grant_problems(expected: Mapping[str, int], found: Mapping[str, int]) -> Iterator[str]:
    for role in sorted(expected.keys() | found.keys()):
        if expected.get(role, 0) != found.get(role, 0):
            yield f"The role {role} has {found.get(role, 0)} rights to tables instead of {expected.get(role, 0)}."
