"""`ibhelm provision`: a Postgres server and an S3 server of others become ours; the one-shot job of a deployment.

Databases, roles, passwords as the settings name them, the migrations, the bucket. Everything may be done again at any
time: what is there stays, and passwords become those of the settings. Postgres sees no password in clear, so none
stands in its log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from ibhelm_pipelines.db.connect import Connection, connect
from ibhelm_pipelines.db.migrations import migrate
from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.local.dagster_process import dagster_database_url
from ibhelm_pipelines.objects.bucket import ensure_bucket

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibhelm_pipelines.settings import Settings

SERVERS_OWN_DATABASE = "postgres"
TEMPLATE = "template1"
EXTENSIONS = ("vector", "pg_trgm", "unaccent")
SCRAM = "scram-sha-256"


@dataclass(frozen=True, kw_only=True)
class Login:
    """A role as a URL of the settings names it."""

    role: str
    password: str
    database: str


def provision(settings: Settings) -> Iterator[str]:
    """Make what is missing; yield a sentence for each thing that was done.

    Args:
        settings: IBHELM_OWNER_DATABASE_URL in them is a superuser's, or of a role that may create roles and databases.

    Raises:
        ConfigurationError: no owner is known, or an address or key is wrong.
        DatabaseUnavailableError, ObjectStoreUnavailableError: a server does not answer.
        PermanentError: a migration failed.
    """
    owner = _owner_url(settings)
    with connect(_on_server(owner), application="provision", autocommit=True) as connection:
        yield from _make_databases(connection, settings, owner)
    if settings.drill_database_url is not None:
        _prepare_drills(settings.drill_database_url.get_secret_value(), owner)
    for name in migrate(owner):
        yield f"Applied {name}."
    with connect(owner, application="provision", autocommit=True) as connection:
        yield from _open_roles(connection, settings, owner)
    if ensure_bucket(settings):
        yield f"The bucket {settings.s3_bucket} is made."


def _owner_url(settings: Settings) -> str:
    if settings.owner_database_url is None:
        raise ConfigurationError(
            "It is not known who may make databases and roles: IBHELM_OWNER_DATABASE_URL is not set.",
            next_step="Set it to the URL of a superuser of that Postgres, for this command only.",
        )
    return settings.owner_database_url.get_secret_value()


def _on_server(url: str, database: str = SERVERS_OWN_DATABASE) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


def _make_databases(connection: Connection, settings: Settings, owner: str) -> Iterator[str]:
    """Make ours, and for each program with tables of its own a role and a database that no other role may enter."""
    existing = {name for (name,) in connection.execute("select datname from pg_database")}
    ours = _login(owner).database
    if ours not in existing:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(ours)))
        yield f"The database {ours} is made."
    for login in _logins_with_a_database(settings):
        _make_role(connection, login)
        database, role = sql.Identifier(login.database), sql.Identifier(login.role)
        if login.database not in existing:
            connection.execute(sql.SQL("create database {} owner {}").format(database, role))
            connection.execute(sql.SQL("revoke connect on database {} from public").format(database))
            yield f"The database {login.database} of {login.role} is made."


def _prepare_drills(url: str, owner: str) -> None:
    """Make the role that may make scratch databases and nothing else, and give those the extensions of ours.

    An extension such as pgvector, which is not trusted, is a superuser's to install: here, in what databases are
    copied from.
    """
    login = _login(url)
    with connect(_on_server(owner, TEMPLATE), application="provision", autocommit=True) as connection:
        _make_role(connection, login)
        connection.execute(sql.SQL("alter role {} createdb").format(sql.Identifier(login.role)))
        for extension in EXTENSIONS:
            connection.execute(sql.SQL("create extension if not exists {}").format(sql.Identifier(extension)))


def _make_role(connection: Connection, login: Login) -> None:
    known = connection.execute("select 1 from pg_roles where rolname = %s", [login.role]).fetchone()
    if known is None:
        connection.execute(sql.SQL("create role {}").format(sql.Identifier(login.role)))


def _open_roles(connection: Connection, settings: Settings, owner: str) -> Iterator[str]:
    for login in [*_logins(settings), *_logins_with_a_database(settings)]:
        if login.role == _login(owner).role:
            continue  # its password is what let us in
        verifier = connection.pgconn.encrypt_password(login.password.encode(), login.role.encode(), SCRAM.encode())
        statement = sql.SQL("alter role {} login password {}")
        connection.execute(statement.format(sql.Identifier(login.role), sql.Literal(verifier.decode())))
        yield f"The role {login.role} may log in."


def _logins(settings: Settings) -> list[Login]:
    urls = (
        settings.database_url,
        settings.nocodb_database_url,
        settings.reader_database_url,
        settings.drill_database_url,
    )
    return [_login(url.get_secret_value()) for url in urls if url is not None]


def _logins_with_a_database(settings: Settings) -> list[Login]:
    own = settings.nocodb_own_database_url
    return [_login(dagster_database_url(settings)), *([_login(own.get_secret_value())] if own is not None else [])]


def _login(url: str) -> Login:
    parts = conninfo_to_dict(url)
    names = {name: str(parts.get(name) or "") for name in ("user", "password", "dbname")}
    if not all(names.values()):
        missing = ", ".join(name for name, value in names.items() if not value)
        raise ConfigurationError(
            f"The URL of a Postgres database names no {missing}.",
            next_step="Write it as postgresql://USER:PASSWORD@HOST:PORT/DATABASE.",
        )
    return Login(role=names["user"], password=names["password"], database=names["dbname"])
