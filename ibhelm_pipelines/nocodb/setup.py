"""The set-up from end to end: connection, tables in step, titles, columns, views.

It may be run again at any time, and after every change of our tables has to be: whatever it finds done it leaves alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.local.storage import owner_url
from ibhelm_pipelines.nocodb import base as bases
from ibhelm_pipelines.nocodb import names
from ibhelm_pipelines.nocodb.client import NocoDB
from ibhelm_pipelines.nocodb.columns import add_durations, apply_columns
from ibhelm_pipelines.nocodb.labels import TABLES, is_known
from ibhelm_pipelines.nocodb.layout import lay_out
from ibhelm_pipelines.nocodb.office import Made, read_office, read_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ibhelm_pipelines.nocodb.base import Base
    from ibhelm_pipelines.nocodb.office import Office, Table
    from ibhelm_pipelines.settings import Settings

_QUERIES = load_queries("nocodb")


@dataclass
class Report:
    """What the set-up did.

    Attributes:
        address: of the base, below NocoDB's own.
        tables: how many there are.
        titled: how many tables got their title now; columns and views: how many were changed now.
        made: how many views were made now.
        kept: what a person changed, and therefore stayed.
        unnamed: tables and columns without a German name.
        failed: what NocoDB refused.
    """

    address: str
    tables: int = 0
    titled: int = 0
    columns: int = 0
    views: int = 0
    made: int = 0
    kept: list[str] = field(default_factory=list)
    unnamed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    @property
    def changes(self) -> int:
        return self.titled + self.columns + self.views + self.made


@dataclass(frozen=True, kw_only=True)
class _Work:
    """What each step needs."""

    noco: NocoDB
    base: Base
    office: Office
    made: Made
    report: Report
    say: Callable[[str], None]


def set_up(settings: Settings, url: str, token: str, say: Callable[[str], None]) -> Report:
    """Make the office's base in NocoDB, or bring it up to date.

    Args:
        url: of NocoDB; token: of a user there who may create bases.
        say: told of each step.

    Raises:
        ConfigurationError: a setting, the token or the role cannot be used; TransientError: something does not answer.
        PermanentError: NocoDB refuses a request.
    """
    if settings.nocodb_database_url is None:
        raise ConfigurationError(
            "IBHELM_NOCODB_DATABASE_URL is not set.",
            next_step="Give the role ibhelm_nocodb LOGIN and a password, and write its URL there.",
        )
    role_url = settings.nocodb_database_url.get_secret_value()
    config = bases.connection_config(role_url)
    with (
        NocoDB(url, token) as noco,
        connect(settings.require_database_url(), application="nocodb-setup", autocommit=True) as connection,
    ):
        bases.require_connection(noco, config)
        say(f"NocoDB reaches Postgres as {config['connection']['user']}.")
        base = bases.find_or_make_base(noco, config)
        office = read_office(connection, config["connection"]["user"])
        made = Made.read(connection, base.id)
        report = Report(address=f"/dashboard/#/{base.workspace_id}/{base.id}")
        bases.use_connection(noco, base, config)
        bases.lock_schema(noco, base, locked=False)
        work = _Work(noco=noco, base=base, office=office, made=made, report=report, say=say)
        tables = _in_step(work, owner=owner_url(settings), url=role_url)
        _dress(work, tables)
        _arrange(work, tables)
        bases.lock_schema(noco, base, locked=True)
    report.unnamed = _unnamed(office)
    return report


def _in_step(work: _Work, *, owner: str, url: str) -> list[Table]:
    """Return the tables, all that there are and with their titles."""
    noco, base = work.noco, work.base
    tables = bases.read_tables(noco, base)
    if halves := names.interrupted(tables):
        names.give_titles(noco, base, halves, work.made, owner_url=owner, url=url)
        tables = bases.read_tables(noco, base)
    if bases.differs(tables, work.office):
        work.say("NocoDB reads the tables anew ...")
        bases.bring_in_step(noco, base)
        tables = bases.read_tables(noco, base)
    if nameless := names.untitled(tables, work.made):
        work.say(f"{len(nameless)} tables get their titles ...")
        names.give_titles(noco, base, nameless, work.made, owner_url=owner, url=url)
        work.report.titled = len(nameless)
        tables = bases.read_tables(noco, base)
    work.report.tables = len(tables)
    return tables


def _dress(work: _Work, tables: Sequence[Table]) -> None:
    """Give all tables the titles and types of their columns, and then their views, which rest on these."""
    noco, made, report = work.noco, work.made, work.report
    by_id = {table.id: table for table in tables}
    for at, table in enumerate(tables, start=1):
        changes = apply_columns(noco, table, by_id, work.office, made)
        report.columns += changes.changed
        report.failed += changes.failed
        report.kept += [f"{table.title}: {name}" for name in changes.kept]
        work.say(f"{at}/{len(tables)} {table.title}: {changes.changed} columns changed")
    by_id = {table.id: read_table(noco, table.id) for table in tables}
    for at, table in enumerate(by_id.values(), start=1):
        add_durations(noco, table, made)
        laid = lay_out(noco, read_table(noco, table.id), by_id, made)
        report.views += laid.changed
        report.made += laid.made
        report.kept += [f"{table.title}: {name}" for name in dict.fromkeys(laid.kept)]
        work.say(f"{at}/{len(tables)} {table.title}: {laid.made} views made, {laid.changed} changed")


def _arrange(work: _Work, tables: Sequence[Table]) -> None:
    """Put the tables in their order, unless a person did."""
    places = {name: place for place, name in enumerate(TABLES, start=1)}
    for table in tables:
        wanted, thing = float(places.get(table.name, len(places) + 1)), f"table/{table.id}/order"
        if work.made.is_ours(thing, table.order):
            if table.order != wanted:
                work.noco.send("POST", f"/api/v2/meta/tables/{table.id}/reorder", {"order": wanted})
            work.made.note(thing, wanted)


def _unnamed(office: Office) -> list[str]:
    tables = [name for name in office if name not in TABLES]
    columns = [f"{table}.{name}" for table, columns in office.items() for name in columns if not is_known(table, name)]
    return tables + columns
