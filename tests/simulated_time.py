"""A Postgres whose clock says what a test wants: days pass in seconds, and the product's own statements run unchanged.

A function of that name in a schema that comes before `pg_catalog` in the search path takes the place of `now()`; what
was bound before, the defaults of columns, is bound anew. The clock goes on by itself from where it was set, so that
whatever follows something is later than it. Views of an installed schema keep the real clock: drills ask none of them.
"""

from __future__ import annotations

import datetime as dt

import psycopg
from psycopg import sql

_CLOCK = """
create schema if not exists simulated;
create table if not exists simulated.clock (ahead interval not null);
grant usage on schema simulated to public;
grant select on simulated.clock to public;
create or replace function simulated.now() returns timestamptz language sql stable
    as 'select pg_catalog.now() + (select ahead from simulated.clock)';
create or replace function simulated.clock_timestamp() returns timestamptz language sql volatile
    as 'select pg_catalog.clock_timestamp() + (select ahead from simulated.clock)';
"""
_DEFAULTS = """
select format('alter table %I.%I alter column %I set default simulated.%s',
              n.nspname, c.relname, a.attname, pg_get_expr(d.adbin, d.adrelid, false))
from pg_attrdef d join pg_class c on c.oid = d.adrelid join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attnum = d.adnum
where pg_get_expr(d.adbin, d.adrelid, false) in ('now()', 'clock_timestamp()')
"""


class SimulatedTime:
    """The clock of one database, also of the one that is restored from its backup.

    Args:
        owner_url: who may alter the tables.
        moment: what the clock says first.
    """

    def __init__(self, owner_url: str, moment: dt.datetime) -> None:
        self._url, self.moment = owner_url, moment
        self.install()

    def install(self, owner_url: str | None = None) -> None:
        """Give the database this clock again, or another database than before."""
        self._url = owner_url or self._url
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute("set search_path = pg_catalog")  # names are written out in full then
            connection.execute(_CLOCK)
            for (statement,) in connection.execute(_DEFAULTS).fetchall():
                connection.execute(statement)
            database = sql.Identifier(connection.info.dbname)
            path = sql.SQL('alter database {} set search_path = simulated, pg_catalog, "$user", public')
            connection.execute(path.format(database))
        self.set(self.moment)

    def set(self, moment: dt.datetime) -> None:
        """Let it be this moment; sessions that are open notice."""
        self.moment = moment
        with psycopg.connect(self._url, autocommit=True) as connection, connection.transaction():
            connection.execute("delete from simulated.clock")
            connection.execute("insert into simulated.clock select %s - pg_catalog.clock_timestamp()", [moment])
