"""`ibhelm init-secrets`: makes every password of a deployment once, each in a file that its owner alone may read.

The files are named like the settings (`ibhelm_web_secret`), so that a folder of them is IBHELM_SECRETS_DIR. Nothing is
printed, and a file that exists is never touched: half a run, a second run, or an admin who put a vendor's token there
loses nothing. What is written in two files (a password, and a URL with it) is made from the first.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

import bcrypt
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.local.state import write_private
from ibhelm_pipelines.settings import PREFIX, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

ENTROPY_BYTES = 24
HASH_COST = 10
"""Of the proxy's password, which has 192 random bits: each request to the Dagster UI is checked anew."""

FOLDER_MODE = 0o700
READABLE_BY_OTHERS = 0o077

BACKUP_IDENTITY = "backup_identity"
"""The secret key of encrypted backups (IBHELM_BACKUP_IDENTITY_FILE); empty until the admin puts one there."""

S3_USER = "ibhelm"
DAGSTER_USER = "admin"
DATABASE = "ibhelm"


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where the containers reach Postgres."""

    host: str
    port: int


def init_secrets(folder: Path, *, server: Server) -> list[str]:
    """Make the files that are missing.

    Args:
        folder: where; made if it is not there.
        server: the Postgres that the URLs lead to.

    Returns:
        the names of those that were made, without what is in them.

    Raises:
        ConfigurationError: the folder cannot be written.
    """
    try:
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        made = [name for name, value in _files(folder, server).items() if _make(folder / name, value)]
    except OSError as error:
        raise ConfigurationError(
            f"Secrets cannot be written to {folder}: {error.strerror}.",
            next_step="Let it belong to the user that the containers run as (IBHELM_UID), with chmod 700.",
        ) from error
    return made + [name for name in _empty_files() if _make(folder / name, str)]


def open_to_others(folder: Path) -> list[str]:
    """Return the names of files with secrets in a folder that others than their owner may read or change."""
    files = [path for path in folder.iterdir() if path.is_file()]
    return sorted(path.name for path in files if path.stat().st_mode & READABLE_BY_OTHERS)


def _make(path: Path, value: Callable[[], str]) -> bool:
    if path.exists():
        return False
    write_private(path, value())
    return True


def _files(folder: Path, server: Server) -> Mapping[str, Callable[[], str]]:
    """Return each file and what makes its text; those further below may read those above."""
    read = _reader(folder)
    urls = {
        "ibhelm_owner_database_url": ("postgres", "postgres_password", DATABASE),
        "ibhelm_database_url": ("ibhelm_pipeline", None, DATABASE),
        "ibhelm_nocodb_database_url": ("ibhelm_nocodb", None, DATABASE),
        "ibhelm_reader_database_url": ("ibhelm_reader", None, DATABASE),
        "ibhelm_drill_database_url": ("ibhelm_drill", None, "postgres"),
        "ibhelm_dagster_database_url": ("dagster", None, "dagster"),
        "ibhelm_nocodb_own_database_url": ("nocodb", None, "nocodb"),
    }
    return {
        "postgres_password": _random,
        **{name: _url(server, role, password, database, read) for name, (role, password, database) in urls.items()},
        "nocodb.json": lambda: _knex(read("ibhelm_nocodb_own_database_url")),
        "ibhelm_s3_access_key": lambda: secrets.token_hex(10),
        "ibhelm_s3_secret_key": _random,
        "s3.json": lambda: _s3_identities(read("ibhelm_s3_access_key"), read("ibhelm_s3_secret_key")),
        "ibhelm_web_secret": lambda: secrets.token_urlsafe(2 * ENTROPY_BYTES),
        "ibhelm_web_password": _random,
        "dagster_password": _random,
        "dagster_accounts": lambda: _account(DAGSTER_USER, read("dagster_password")),
    }


def _reader(folder: Path) -> Callable[[str], str]:
    return lambda name: (folder / name).read_text(encoding="utf-8").strip()


def _random() -> str:
    return secrets.token_urlsafe(ENTROPY_BYTES)


def _url(
    server: Server, role: str, password_file: str | None, database: str, read: Callable[[str], str]
) -> Callable[[], str]:
    def make() -> str:
        password = read(password_file) if password_file else _random()
        return f"postgresql://{role}:{quote(password, safe='')}@{server.host}:{server.port}/{database}"

    return make


def _knex(url: str) -> str:
    """Return a connection to Postgres as NocoDB reads it from a file."""
    parts = conninfo_to_dict(url)
    connection = {"host": parts["host"], "port": int(str(parts["port"])), "user": parts["user"]}
    connection |= {"password": parts["password"], "database": parts["dbname"]}
    return json.dumps({"client": "pg", "connection": connection}, indent=1)


def _s3_identities(access_key: str, secret_key: str) -> str:
    """Return SeaweedFS's list of who may do what: one user, who may do everything with our buckets."""
    key = {"accessKey": access_key, "secretKey": secret_key}
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    return json.dumps({"identities": [{"name": S3_USER, "credentials": [key], "actions": actions}]}, indent=1)


def _account(user: str, password: str) -> str:
    """Return a line of Caddy's `basic_auth`: the password as a bcrypt hash."""
    return f"{user} {bcrypt.hashpw(password.encode(), bcrypt.gensalt(HASH_COST)).decode()}"


def _empty_files() -> list[str]:
    """Return the files of all other secrets that a setting knows: a deployment mounts them, empty means not set."""
    secret = [name for name, field in Settings.model_fields.items() if _is_secret(field.annotation)]
    return [*(f"{PREFIX}{name}".lower() for name in secret), BACKUP_IDENTITY]


def _is_secret(annotation: object) -> bool:
    return annotation is SecretStr or SecretStr in getattr(annotation, "__args__", ())
