"""Links files, tasks and conversations with projects, cost groups, places and kinds of documents.

What may have changed is recomputed from what is there now and written where it differs, in batches that are each read,
decided on and written in one transaction under one lock: whatever runs at the same time, the newest input wins, and a
killed run loses one batch. What single things need at once (the live lane) is the same code for their ids.
"""

from __future__ import annotations

import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from ibhelm_pipelines.db.connect import connect, translated_errors
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.register import locations
from ibhelm_pipelines.register.counting import count_links
from ibhelm_pipelines.register.judging import BATCH, Judge
from ibhelm_pipelines.register.projects import has_new_folders, link_folders_over, read_directory
from ibhelm_pipelines.register.rulebook import enabled, make_book, read_rules
from ibhelm_pipelines.register.staleness import Stale
from ibhelm_pipelines.register.writing import BRIDGES, write_links

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ibhelm_pipelines.db.connect import Connection
    from ibhelm_pipelines.register.deciding import Decision
    from ibhelm_pipelines.register.writing import ItemKind, Link
    from ibhelm_pipelines.settings import Settings


PIPELINE = "ibhelm_pipeline"


@dataclass(kw_only=True)
class LinkReport:
    """What was linked.

    Attributes:
        looked_at: items, by kind: those of which something had changed.
        changed: rows that were written or deleted.
        unmatched_folders: project folders of no project.
        counts: by kind of item how many there are (`live`), and how many of them have which link.
    """

    looked_at: Counter[str] = field(default_factory=Counter)
    changed: int = 0
    unmatched_folders: int = 0
    seconds: float = 0
    counts: dict[str, dict[str, int]] = field(default_factory=dict)


def link_items(
    settings: Settings, *, everything: bool = False, progress: Callable[[str], None] = lambda _: None
) -> LinkReport:
    """Recompute what may have changed: which folder belongs to which project, then what every item belongs to.

    Args:
        settings: of this process.
        everything: recompute also what cannot have changed, against links that somebody changed behind our back.
        progress: told what is being done.

    Raises:
        ConfigurationError: a rule cannot be used, or the role is not the pipeline's.
        DatabaseUnavailableError: Postgres does not answer.
    """
    begun = time.monotonic()
    with _connected(settings) as connection:
        folders = link_folders_over(connection, settings)
        report = LinkReport(unmatched_folders=folders.unmatched, changed=folders.changed)
        stale = Stale(connection, everything=everything)
        directory, book = read_directory(connection), make_book(connection, enabled(read_rules(connection)))
        buildings = locations.learn_buildings(connection, directory, book)
        judge = Judge(connection, book=book, directory=directory, buildings=buildings)
        register = _Register(connection, judge, report, stale)
        for kind in BRIDGES:
            for ids in stale.batches(kind, buildings):
                register.link(kind, ids)
                progress(f"{kind}s linked: {report.looked_at[kind]:,}")
        locations.drop_unused_locations(connection)
        stale.forget()
        connection.execute(load_queries("register")["rename_links"])
        count_links(connection)
        report.counts = _counts(connection)
        report.seconds = time.monotonic() - begun
        values = {"seconds": report.seconds, "counts": Jsonb(report.looked_at)}
        connection.execute(load_queries("register")["note_run"], values)
    return report


def link_some(settings: Settings, kind: ItemKind, ids: Sequence[int]) -> LinkReport:
    """Link these items as they are now, with what is known of projects and buildings.

    Raises:
        ConfigurationError: a rule cannot be used, or the role is not the pipeline's.
        DatabaseUnavailableError: Postgres does not answer.
    """
    report = LinkReport()
    if not ids:
        return report
    with _connected(settings) as connection:
        if kind == "file" and has_new_folders(connection, ids):
            link_folders_over(connection, settings)
        book = make_book(connection, enabled(read_rules(connection)))
        buildings = locations.recall_buildings(connection)
        judge = Judge(connection, book=book, directory=read_directory(connection), buildings=buildings)
        register = _Register(connection, judge, report, None)
        for start in range(0, len(ids), BATCH):
            register.link(kind, ids[start : start + BATCH])
    return report


def _counts(connection: Connection) -> dict[str, dict[str, int]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(load_queries("register")["counts"]).fetchall()
    return {row.pop("item"): {name: count for name, count in row.items() if count is not None} for row in rows}


@contextmanager
def _connected(settings: Settings) -> Iterator[Connection]:
    with (
        translated_errors(),
        connect(settings.require_database_url(), application="register", autocommit=True) as connection,
    ):
        _require_pipeline(connection)
        yield connection


def _require_pipeline(connection: Connection) -> None:
    """Refuse every other role: what it writes is taken for what a person decided, and would stay for ever."""
    row = connection.execute("select current_user").fetchone()
    if row != (PIPELINE,):
        raise ConfigurationError(
            f"Links are only written as the role {PIPELINE}, not as {row and row[0]}: everybody else is taken for a"
            " person, whose decisions stay.",
            next_step=f"Write the URL of {PIPELINE} into IBHELM_DATABASE_URL; that of the owner belongs into"
            " IBHELM_OWNER_DATABASE_URL.",
        )


class _Register:
    """Links over one connection, in autocommit mode."""

    def __init__(self, connection: Connection, judge: Judge, report: LinkReport, stale: Stale | None) -> None:
        self._connection, self._judge, self._report, self._stale = connection, judge, report, stale
        self._sql = load_queries("register")

    def link(self, kind: ItemKind, ids: Sequence[int]) -> None:
        """Read these items, decide, and write, in one transaction."""
        with self._connection.transaction():
            self._connection.execute(self._sql["lock_writing"])
            decided = {item.id: decision for item, decision in self._judge.judge(kind, ids)}
            if kind == "file":
                self._write_files(decided)
            self._write(kind, decided)
            if self._stale is not None:
                self._stale.note(kind, ids)
        self._report.looked_at[kind] += len(decided)

    def _write_files(self, decided: Mapping[int, Decision]) -> None:
        rows = []
        for number, decision in decided.items():
            project, link = next(iter(decision.projects.items()), (None, None))
            kind = decision.document_type
            rows.append(
                {
                    "id": number,
                    "project_id": project,
                    "project_rule": link and link.rule,
                    "document_type_id": kind and kind.id,
                    "document_type_rule": kind and kind.rule,
                }
            )
        self._report.changed += self._connection.execute(self._sql["write_files"], {"files": Jsonb(rows)}).rowcount

    def _write(self, kind: ItemKind, decided: Mapping[int, Decision]) -> None:
        links = {
            "project": {(number, each): link for number, d in decided.items() for each, link in d.projects.items()},
            "cost_group": {
                (number, self._judge.book.cost_group_ids[each]): link
                for number, d in decided.items()
                for each, link in d.cost_groups.items()
            },
            "location": self._locations(decided),
        }
        for target in BRIDGES[kind]:
            self._report.changed += write_links(self._connection, kind, target, list(decided), links[target])

    def _locations(self, decided: Mapping[int, Decision]) -> dict[tuple[int, int], Link]:
        """Return the links with locations, which are made where they are missing."""
        wanted = {key for decision in decided.values() for key in decision.places}
        known = locations.ensure_locations(self._connection, wanted) if wanted else {}
        return {(number, known[key]): link for number, d in decided.items() for key, link in d.places.items()}
