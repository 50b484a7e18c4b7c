"""Postgres and S3 of this installation: the embedded ones, unless settings name others; databases, roles, addresses.

Embedded are those whose address is neither in the environment nor in `.env`: what a former `ibhelm up` wrote to
`.ibhelm/env` does not count. Whoever brings the storage up writes that file again, so that it always tells the truth.
"""

from __future__ import annotations

import shlex
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from psycopg import sql

from ibhelm_pipelines.db.connect import connect
from ibhelm_pipelines.db.migrations import migrate
from ibhelm_pipelines.errors import ConfigurationError, DatabaseUnavailableError
from ibhelm_pipelines.local.dagster_process import DATABASE as DAGSTER_DATABASE
from ibhelm_pipelines.local.dagster_process import dagster_database_url
from ibhelm_pipelines.local.ports import HOST
from ibhelm_pipelines.local.postgres import EmbeddedPostgres
from ibhelm_pipelines.local.s3 import EmbeddedS3
from ibhelm_pipelines.local.stack import choose_web_port
from ibhelm_pipelines.local.state import prepare_state_folder, read_or_make_secrets, write_private
from ibhelm_pipelines.objects.store import ObjectStore
from ibhelm_pipelines.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ibhelm_pipelines.settings import Settings

DATABASE = "ibhelm"
LINKS = "web"
SIGN_IN = "web_password"
LOGIN_ROLES = ("ibhelm_pipeline", "ibhelm_nocodb", "ibhelm_reader")


@dataclass(frozen=True, kw_only=True)
class Storage:
    """The embedded services that this installation needs; `None` where it uses another one.

    Args:
        configured: settings without the addresses of embedded services.
    """

    configured: Settings
    postgres: EmbeddedPostgres | None = field(init=False)
    s3: EmbeddedS3 | None = field(init=False)

    def __post_init__(self) -> None:
        settings = self.configured
        postgres = EmbeddedPostgres(folder=settings.state_dir / "postgres", configured_port=settings.postgres_port)
        s3 = EmbeddedS3(
            folder=settings.state_dir / "s3",
            bucket=settings.s3_bucket,
            access_key=settings.s3_access_key,
            secret_key=settings.s3_secret_key.get_secret_value(),
            configured_port=settings.s3_port,
        )
        object.__setattr__(self, "postgres", postgres if settings.database_url is None else None)
        object.__setattr__(self, "s3", s3 if settings.s3_endpoint is None else None)

    @classmethod
    def of_this_installation(cls) -> Storage:
        """Read the settings of this process.

        Raises:
            ConfigurationError: a setting cannot be used.
        """
        return cls(configured=load_settings(embedded=False))

    def start(self, say: Callable[[str], None]) -> Settings:
        """Bring up what is embedded, migrate the database, write the addresses; return the settings with them.

        Args:
            say: told of each step, for whoever waits.

        Raises:
            ConfigurationError, DatabaseUnavailableError, ObjectStoreUnavailableError, PermanentError: what stops it.
        """
        prepare_state_folder(self.configured.state_dir)
        web_port = choose_web_port(self.configured)
        if self.postgres:
            say("Starting Postgres ...")
            self.postgres.start()
            self._provision(self.postgres)
        if self.s3:
            say("Starting the S3 server ...")
            self.s3.start()
        self.write_addresses(web_port=web_port)
        settings = load_settings()
        if applied := migrate(owner_url(settings)):
            say(f"The database was brought up to date: {', '.join(applied)}.")
        if self.postgres:
            self._open_roles(self.postgres)
        self._check_foreign(settings)
        return settings

    @contextmanager
    def bare(self, say: Callable[[str], None]) -> Iterator[Settings]:
        """Have what is embedded run for the length of the block, with nothing done to what it holds: for a restore.

        Args:
            say: told of each step.

        Raises:
            ConfigurationError, DatabaseUnavailableError, ObjectStoreUnavailableError: what stops it.
        """
        prepare_state_folder(self.configured.state_dir)
        idle = [server for server in (self.postgres, self.s3) if server is not None and not server.running()]
        try:
            for server in idle:
                say(f"Starting the embedded {'Postgres' if server is self.postgres else 'S3 server'} ...")
                server.start()
            if idle:
                self.write_addresses(web_port=choose_web_port(self.configured))
            yield load_settings()
        finally:
            for server in reversed(idle):
                server.stop()

    def stop(self) -> None:
        """Stop what is embedded and runs; the database last."""
        if self.s3:
            self.s3.stop()
        if self.postgres:
            self.postgres.stop()

    def write_addresses(self, *, web_port: int) -> None:
        """Write which share this is, address, secret and password of the search page and the gateway, and addresses
        and passwords of the embedded services, as shell lines: for commands of other terminals, psql, NocoDB, scripts.
        """
        variables: dict[str, str] = {}
        if self.configured.web_url is None:
            variables["IBHELM_WEB_URL"] = f"http://{HOST}:{web_port}"
        if self.configured.web_secret is None:
            variables["IBHELM_WEB_SECRET"] = self._secrets[LINKS]
        if self.configured.web_password is None and self.configured.oidc_issuer is None:
            variables["IBHELM_WEB_PASSWORD"] = self._secrets[SIGN_IN]
        if self.configured.nas_root is not None:
            variables |= {
                "IBHELM_NAS_ROOT": str(self.configured.nas_root),
                "IBHELM_SHARE_MARKER": self.configured.share_marker,
            }
        if self.postgres:
            variables |= {
                "IBHELM_DATABASE_URL": self._role_url(self.postgres, "ibhelm_pipeline"),
                "IBHELM_OWNER_DATABASE_URL": self.postgres.url(DATABASE),
                "IBHELM_DAGSTER_DATABASE_URL": self.postgres.url(
                    DAGSTER_DATABASE, user="ibhelm_pipeline", password=self._secrets["ibhelm_pipeline"]
                ),
                "IBHELM_NOCODB_DATABASE_URL": self._role_url(self.postgres, "ibhelm_nocodb"),
                "IBHELM_READER_DATABASE_URL": self._role_url(self.postgres, "ibhelm_reader"),
            }
        if self.s3:
            variables |= {
                "IBHELM_S3_ENDPOINT": self.s3.endpoint,
                "IBHELM_S3_BUCKET": self.s3.bucket,
                "IBHELM_S3_ACCESS_KEY": self.s3.access_key,
                "IBHELM_S3_SECRET_KEY": self.s3.secret_key,
            }
        lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
        header = (
            "# Written by `ibhelm up`: the share and the embedded services, as they run now."
            " Use it with `. .ibhelm/env`; own settings go to .env."
        )
        write_private(self.env_file, "\n".join([header, *lines]) + "\n")

    @property
    def env_file(self) -> Path:
        return self.configured.state_dir / "env"

    @property
    def _secrets(self) -> dict[str, str]:
        return read_or_make_secrets(self.configured.state_dir / "secrets.json", (*LOGIN_ROLES, LINKS, SIGN_IN))

    def _role_url(self, server: EmbeddedPostgres, role: str) -> str:
        return server.url(DATABASE, user=role, password=self._secrets[role])

    def _provision(self, server: EmbeddedPostgres) -> None:
        with connect(server.url(), application="up", autocommit=True) as connection:
            existing = {name for (name,) in connection.execute("select datname from pg_database")}
            for name in {DATABASE, DAGSTER_DATABASE} - existing:
                connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))

    def _check_foreign(self, settings: Settings) -> None:
        """Find out now, with a sentence, what Dagster or the first scan would stumble over in services of others."""
        if self.s3 is None:
            with ObjectStore(settings) as store:
                store.check()
        if self.postgres is None:
            try:
                connect(dagster_database_url(settings), application="up").close()
            except DatabaseUnavailableError as error:
                raise ConfigurationError(
                    f"The database of Dagster's own storage cannot be opened. {error.problem}",
                    next_step="Create it for the pipeline's role, or set IBHELM_DAGSTER_DATABASE_URL.",
                ) from error

    def _open_roles(self, server: EmbeddedPostgres) -> None:
        """Give the roles that the migrations made their passwords, and Dagster's database to the pipeline alone."""
        dagster = sql.Identifier(DAGSTER_DATABASE)
        with connect(server.url(), application="up", autocommit=True) as connection:
            for role in LOGIN_ROLES:
                statement = sql.SQL("alter role {} login password {}")
                connection.execute(statement.format(sql.Identifier(role), sql.Literal(self._secrets[role])))
            connection.execute(sql.SQL("alter database {} owner to ibhelm_pipeline").format(dagster))
            connection.execute(sql.SQL("revoke connect on database {} from public").format(dagster))


def owner_url(settings: Settings) -> str:
    """Return the URL that migrations use: the owner's, else the pipeline's own.

    Raises:
        ConfigurationError: no database is known.
    """
    owner = settings.owner_database_url
    return owner.get_secret_value() if owner is not None else settings.require_database_url()
