"""The base: connected with our database as the role ibhelm_nocodb, and in step with its tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg.conninfo import conninfo_to_dict

from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.nocodb.client import ApiTokenRefused
from ibhelm_pipelines.nocodb.office import read_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ibhelm_pipelines.nocodb.client import NocoDB
    from ibhelm_pipelines.nocodb.office import Office, Table

TITLE = "IBHelm"
SCHEMA = "public"


@dataclass(frozen=True, kw_only=True)
class Base:
    """Our base in NocoDB.

    Attributes:
        id: NocoDB's own; so are the others.
        source_id: the database within the base.
        integration_id: the connection that the source uses.
        workspace_id: what stands before the base in addresses.
        is_new: whether it was made just now.
    """

    id: str
    source_id: str
    integration_id: str
    workspace_id: str
    is_new: bool

    @property
    def path(self) -> str:
        return f"/api/v2/meta/bases/{self.id}"


def connection_config(url: str, schema: str = SCHEMA) -> dict[str, Any]:
    """Return what NocoDB has to know to reach a database.

    Raises:
        ConfigurationError: the URL does not say it.
    """
    parts = conninfo_to_dict(url)
    missing = [name for name in ("host", "user", "password", "dbname") if not parts.get(name)]
    if missing:
        raise ConfigurationError(
            f"IBHELM_NOCODB_DATABASE_URL lacks {', '.join(missing)}.",
            next_step="Write it as postgresql://ibhelm_nocodb:PASSWORD@HOST:PORT/DATABASE, as NocoDB reaches it.",
        )
    connection = {
        "host": parts["host"],
        "port": str(parts.get("port") or 5432),
        "user": parts["user"],
        "password": parts["password"],
        "database": parts["dbname"],
    }
    return {"client": "pg", "connection": connection, "searchPath": [schema], "schema": schema}


def require_connection(noco: NocoDB, config: Mapping[str, Any]) -> None:
    """Have NocoDB itself try the connection.

    Raises:
        ConfigurationError: it does not come about; says why.
    """
    body = {"client": config["client"], "connection": config["connection"]}
    result = noco.send("POST", "/api/v2/meta/connection/test", body)
    if result.get("code") == 0:
        return
    where = config["connection"]
    said = str(result.get("message") or "it does not say why")
    if "authentication" in said or "permitted to log in" in said or "does not exist" in said:
        raise ConfigurationError(
            f"Postgres does not let {where['user']} in: {said}.",
            next_step="Give the role LOGIN and a password, and set both in IBHELM_NOCODB_DATABASE_URL.",
        )
    raise ConfigurationError(
        f"NocoDB cannot reach Postgres at {where['host']}:{where['port']}: {said}.",
        next_step="Set IBHELM_NOCODB_DATABASE_URL to the address at which Postgres is seen from where NocoDB runs.",
    )


def find_or_make_base(noco: NocoDB, config: Mapping[str, Any]) -> Base:
    """Return our base; a new one is made where there is none with its title that has our source."""
    base = next((each for each in noco.get("/api/v2/meta/bases/")["list"] if each["title"] == TITLE), None)
    base_id = base["id"] if base else noco.send("POST", "/api/v2/meta/bases/", {"title": TITLE})["id"]
    is_new = _source(noco, base_id) is None
    if is_new:
        noco.run_job(f"/api/v2/meta/bases/{base_id}/sources", _new_source(config))
    source = _source(noco, base_id)
    if source is None:
        raise ConfigurationError(
            f"The base {TITLE} in NocoDB has no source, although one was made.", next_step="See NocoDB's log."
        )
    return Base(
        id=base_id,
        source_id=source["id"],
        integration_id=source["fk_integration_id"],
        workspace_id=source["fk_workspace_id"],
        is_new=is_new,
    )


def _source(noco: NocoDB, base_id: str) -> Mapping[str, Any] | None:
    sources: list[Mapping[str, Any]] = noco.get(f"/api/v2/meta/bases/{base_id}")["sources"]
    return next((source for source in sources if source["alias"] == TITLE), None)


def _new_source(config: Mapping[str, Any]) -> dict[str, Any]:
    plain = {"inflection_column": "none", "inflection_table": "none"}
    return {"alias": TITLE, "type": "pg", "config": config, **plain, "is_schema_readonly": False}


def use_connection(noco: NocoDB, base: Base, config: Mapping[str, Any]) -> None:
    """Have the base use this connection from now on."""
    body = {"title": TITLE, "type": "database", "sub_type": "pg", "config": config}
    noco.send("PATCH", f"/api/v2/meta/integrations/{base.integration_id}", body)


def lock_schema(noco: NocoDB, base: Base, *, locked: bool) -> None:
    """Say in NocoDB whether the structure may be changed there: it takes away buttons that could only fail."""
    body = {"alias": TITLE, "type": "pg", "is_schema_readonly": locked}
    noco.send("PATCH", f"{base.path}/sources/{base.source_id}", body)


def read_tables(noco: NocoDB, base: Base) -> list[Table]:
    """Return all tables as they are now in NocoDB."""
    listed = noco.get(f"{base.path}/{base.source_id}/tables?includeM2M=true")["list"]
    return [read_table(noco, each["id"]) for each in listed]


def differs(tables: list[Table], office: Office) -> bool:
    """Whether NocoDB knows other tables or columns than Postgres has."""
    known = {t.name: {c.name for c in t.columns if c.body["dt"]} for t in tables}
    return known != {name: set(columns) for name, columns in office.items()}


def bring_in_step(noco: NocoDB, base: Base) -> None:
    """Have NocoDB read our tables and columns anew.

    Raises:
        ConfigurationError: it keeps that for people who signed in.
    """
    try:
        noco.run_job(f"{base.path}/meta-diff/{base.source_id}")
    except ApiTokenRefused as error:
        raise ConfigurationError(
            "The tables have changed, and NocoDB does not read them anew for an API token.",
            next_step=f"In NocoDB open the base {TITLE}, there Data sources > {TITLE} > Meta Sync, and press the"
            " button; or run this with a sign-in token (docs/nocodb.md). Then run it again.",
        ) from error
