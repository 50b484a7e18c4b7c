"""Every setting of the platform, typed, with its default and its unit.

Sources, strongest first: the environment (`IBHELM_*`), the files of IBHELM_SECRETS_DIR, `.env`, and `.ibhelm/env`,
which `ibhelm up` writes with the addresses of the embedded services. Code receives a `Settings` object; nothing else
reads the environment.
"""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from ibhelm_pipelines.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "IBHELM_"
DOTENV = Path(".env")
DEFAULT_STATE_DIR = ".ibhelm"

DEFAULT_IGNORED_FOLDERS = ("@eaDir", "#recycle", "@tmp", "#snapshot", ".SynologyWorkingDirectory")
DEFAULT_IGNORED_FILES = ("Thumbs.db", "~$*", "*.tmp", "*.partial", "*.dwl", "*.dwl2")

SHORTEST_WEB_SECRET = 32
SHORTEST_PASSWORD = 12

SplitByComma = Annotated[tuple[str, ...], NoDecode]
"""A tuple that is written as one comma-separated line in the environment."""


class Settings(BaseSettings):
    """The settings of one process; build it with `load_settings`, which turns mistakes into sentences."""

    # An empty line in .env means "not set", as it does in every shell script.
    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True)

    state_dir: Path = Field(Path(DEFAULT_STATE_DIR), description="Folder of the embedded services: data, logs, secrets")
    secrets_dir: Path | None = Field(
        None,
        description="Folder of files with one value each, named like the variables in small letters"
        " (ibhelm_database_url): the secrets of containers; stronger than .env, weaker than the environment",
    )

    nas_root: Path | None = Field(
        None, description="Where the NAS share is mounted; read only, but for attachments of mails"
    )
    share_marker: str = Field(
        ".ibhelm-share", description="Path below the NAS root that proves that the share is mounted"
    )
    folder_depth: int = Field(2, ge=1, le=8, description="Levels below the NAS root at which project folders stand")
    nas_url: str = Field("", description="Prefix of links to files, such as smb://nas/share; default file://ROOT")
    ignored_folders: SplitByComma = Field(DEFAULT_IGNORED_FOLDERS, description="Names of folders never entered")
    ignored_files: SplitByComma = Field(DEFAULT_IGNORED_FILES, description="Name patterns of files never recorded")
    ignore_hidden: bool = Field(True, description="Leave out files and folders whose name starts with a dot")
    hash_threads: int = Field(4, ge=1, le=64, description="Threads that read and hash files at the same time")
    max_deletions: int = Field(
        500, ge=0, description="Files that may vanish in one scan before an operator must confirm"
    )
    max_deletion_percent: float = Field(5.0, ge=0, le=100, description="Percent of live files that may vanish likewise")

    retention_days: int = Field(
        3650,
        ge=0,
        description="Days after which a deleted file is purged for good, with its versions; 0 is never. Ten years:"
        " German commercial and tax law (docs/safety.md)",
    )
    orphan_grace_days: int = Field(
        7, ge=1, description="Days for which an object in S3 that no row names is kept before it is deleted"
    )

    database_url: SecretStr | None = Field(None, description="Postgres of the pipeline role; embedded when not set")
    owner_database_url: SecretStr | None = Field(
        None, description="Postgres of the role that migrates; default the pipeline's own URL"
    )
    dagster_database_url: SecretStr | None = Field(
        None, description="Postgres database of Dagster's own storage; default database `dagster` on the same server"
    )
    nocodb_database_url: SecretStr | None = Field(None, description="Postgres for NocoDB")
    nocodb_own_database_url: SecretStr | None = Field(
        None, description="Postgres database of NocoDB's own tables, which `ibhelm provision` makes"
    )
    reader_database_url: SecretStr | None = Field(None, description="Postgres for people and scripts that only read")
    postgres_port: int = Field(0, ge=0, le=65535, description="Port of the embedded Postgres; 0 takes a free one")

    s3_endpoint: str | None = Field(None, description="URL of the S3 server; embedded when not set")
    s3_bucket: str = Field("ibhelm", description="Bucket for originals and previews")
    s3_region: str = Field("us-east-1", description="Region that requests are signed for")
    s3_access_key: str = Field("test", description="Access key; the embedded server knows `test` only")
    s3_secret_key: SecretStr = Field(SecretStr("test"), description="Secret key")
    s3_versioning: Literal["auto", "off"] = Field(
        "auto",
        description="Versions of objects: auto uses them where the bucket keeps them (to heal, and to delete for good)",
    )
    s3_port: int = Field(0, ge=0, le=65535, description="Port of the embedded S3 server; 0 takes a free one")

    backup_recipients: SplitByComma | None = Field(
        None,
        description="Public keys (age1...) for which backups of the database are encrypted; without any, they are not",
    )
    backup_identity_file: Path | None = Field(
        None,
        description="File with the secret key (AGE-SECRET-KEY-1...) that opens backups: to restore, and for the drill",
    )
    backup_keep_daily: int = Field(7, ge=1, description="Newest days of which a backup of the database is kept")
    backup_keep_weekly: int = Field(5, ge=0, description="Newest weeks likewise")
    backup_keep_monthly: int = Field(12, ge=0, description="Newest months likewise")
    drill_database_url: SecretStr | None = Field(
        None,
        description="Postgres server on which the restore drill makes its scratch database, as a role that may create"
        " databases; default the owner's URL",
    )

    dagster_port: int = Field(
        3000, ge=0, le=65535, description="Port of the Dagster UI on 127.0.0.1; 0 takes a free one"
    )
    dagster_yaml: Path | None = Field(
        None,
        description="YAML that is added to the built-in configuration of Dagster: a launcher of runs (deploy/dagster)",
    )
    code_server_host: str = Field(
        "127.0.0.1", description="Where `ibhelm dagster webserver` and `daemon` reach the code server"
    )
    code_server_port: int = Field(4000, ge=1, le=65535, description="Port of `ibhelm dagster code-server`")
    dagster_url: str | None = Field(
        None, description="Address of the Dagster UI as our processes reach it; default the one that `ibhelm up` runs"
    )
    dagster_public_url: str | None = Field(
        None,
        description="Address of the Dagster UI as browsers reach it: `ibhelm doctor` looks whether it asks who comes",
    )

    content_workers: int = Field(
        default_factory=lambda: os.cpu_count() or 1, ge=1, le=64, description="Processes that open files for previews"
    )
    content_seconds: int = Field(60, ge=1, le=3600, description="Longest time for one file and step, seconds")
    content_memory_mb: int = Field(1024, ge=256, description="Largest address space of one worker process, MiB")
    dwg_converter: Path | None = Field(
        None, description="Program that makes DXF of DWG files: ODAFileConverter, or one that takes -o OUT.dxf IN.dwg"
    )
    ocr: bool = Field(True, description="Recognise the text of scans and pictures (OCR)")
    ocr_engine: Literal["tesseract", "rapidocr"] = Field(
        "tesseract",
        description="What recognises text: tesseract, or rapidocr (extra ocr): slower, better on noisy scans",
    )
    ocr_pages: int = Field(50, ge=1, le=5000, description="Pages that are recognised in one document at most")
    ocr_seconds: int = Field(
        600, ge=1, le=86_400, description="Time after which no further page of it is begun, seconds"
    )
    text_max_chars: int = Field(5_000_000, ge=1000, description="Characters of text that are kept of one file")

    embedding_model: str = Field(
        "light",
        min_length=1,
        description="Model of the search by meaning: light, or a sentence-transformers model: its folder, or its name"
        " if it is in this machine's Hugging Face cache",
    )

    watch_mode: Literal["auto", "inotify", "poll"] = Field(
        "auto",
        description="How changes are noticed: by the kernel's word, by looking again and again; auto: by the mount",
    )
    watch_poll_seconds: float = Field(30, gt=0, description="Pause between two looks at a remote mount, seconds")
    watch_quiet_seconds: float = Field(0.5, ge=0, description="A path is passed on when it was quiet for so long")
    watch_hold_seconds: float = Field(5, gt=0, description="A path that is never quiet is passed on after so long")

    listen_host: str = Field(
        "127.0.0.1",
        description="Where our servers listen (search page, webhook receiver, `ibhelm dagster`); another than 127.0.0.1"
        " only where nobody but a proxy that does TLS reaches them, as in a container",
    )
    trusted_proxies: SplitByComma = Field(
        ("127.0.0.1",), description="Addresses or networks of the proxies whose X-Forwarded-For is believed"
    )
    webhooks_port: int = Field(
        8010, ge=0, le=65535, description="Port of the webhook receiver on 127.0.0.1; 0 takes a free one"
    )
    web_port: int = Field(
        8020,
        ge=0,
        le=65535,
        description="Port of the search page and of previews and downloads on 127.0.0.1; 0 takes a free one",
    )
    web_url: str | None = Field(
        None,
        description="Address of the search page and the gateway as browsers reach it; default http://127.0.0.1:PORT",
    )
    web_secret: SecretStr | None = Field(
        None,
        description="Signs links to files, and sessions, at least 32 characters; `ibhelm up` makes one",
    )
    web_user: str = Field("admin", min_length=1, description="Name of the office's one account of the search page")
    web_password: SecretStr | None = Field(
        None, description="Its password, at least 12 characters; `ibhelm up` makes one; without it the page is off"
    )
    oidc_issuer: str | None = Field(
        None, description="OpenID Connect: the issuer by which people sign in, instead of the one account"
    )
    oidc_client_id: str | None = Field(None, description="Our client id there")
    oidc_client_secret: SecretStr | None = Field(None, description="Our client secret there")
    oidc_allowed_domains: SplitByComma | None = Field(
        None,
        description="Domains of addresses that may sign in, or `any` (all whom the issuer lets in); must be said",
    )
    api_token: SecretStr | None = Field(
        None, description="Bearer token with which scripts use the JSON API, at least 32 characters"
    )
    access_log_days: int = Field(
        90, ge=1, le=3650, description="Days for which it is kept who read what (docs/access-log.md)"
    )
    teamwork_url: str | None = Field(None, description="Address of Teamwork, such as https://office.teamwork.com")
    teamwork_token: SecretStr | None = Field(None, description="API key of a Teamwork user who sees every project")
    teamwork_excluded_projects: SplitByComma | None = Field(
        None, description="Ids of Teamwork projects that stay out, or `none`; must be said"
    )
    teamwork_excluded_companies: SplitByComma | None = Field(
        None, description="Ids of companies in Teamwork whose projects and people stay out, or `none`; must be said"
    )
    teamwork_requests_per_minute: int = Field(
        150, ge=1, description="Requests that Teamwork takes in a minute from all processes together"
    )
    teamwork_webhook_secret: SecretStr | None = Field(None, description="Token that signs Teamwork's webhooks")
    missive_url: str = Field("https://public.missiveapp.com/v1", description="Address of Missive's API")
    missive_token: SecretStr | None = Field(None, description="API token of a Missive user who is in every team")
    missive_allowed: SplitByComma | None = Field(
        None,
        description="Whose conversations are read: team:NAME, label:NAME (with all below it), user:ADDRESS (a personal"
        " mailbox); nothing else is",
    )
    missive_requests_per_15_minutes: int = Field(
        900, ge=1, description="Requests that Missive takes in 15 minutes from all processes together"
    )
    missive_webhook_secret: SecretStr | None = Field(None, description="Validation secret of Missive's webhook rules")
    attachment_inbox: Literal["off", "dry-run", "on"] = Field(
        "dry-run", description="Whether attachments of mails are put on the NAS; dry-run only says where they would go"
    )
    attachment_general_inbox: str = Field(
        "IBH-INBOX", description="Folder below the NAS root for attachments of mails of no known project"
    )

    alert_urls: SecretStr | None = Field(
        None, description="Where alerts go: Apprise URLs (mail, Slack, Teams, ntfy ...), separated by spaces"
    )
    heartbeat_urls: SecretStr | None = Field(
        None, description="SCHEDULE=URL, separated by spaces: asked after each good run of that schedule"
    )
    sentry_dsn: SecretStr | None = Field(None, description="Where errors in the code are reported (Sentry protocol)")

    @field_validator(
        "ignored_folders",
        "ignored_files",
        "teamwork_excluded_projects",
        "teamwork_excluded_companies",
        "missive_allowed",
        "oidc_allowed_domains",
        "trusted_proxies",
        "backup_recipients",
        mode="before",
    )
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("web_secret", "api_token", "web_password")
    @classmethod
    def _long(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        shortest = SHORTEST_PASSWORD if info.field_name == "web_password" else SHORTEST_WEB_SECRET
        if value is not None and len(value.get_secret_value()) < shortest:
            raise ValueError(f"it has fewer than {shortest} characters, so it could be guessed")
        return value

    @field_validator("nas_root", "state_dir", "secrets_dir")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return value.expanduser().absolute() if value is not None else None

    @cached_property
    def root(self) -> bytes:
        """The NAS root as the bytes that the kernel knows; names below it are bytes too.

        Raises:
            ConfigurationError: no NAS root is set.
        """
        if self.nas_root is None:
            raise ConfigurationError(
                "No NAS folder is set.", next_step="Set IBHELM_NAS_ROOT to the folder where the share is mounted."
            )
        return os.fsencode(self.nas_root)

    @property
    def web_address(self) -> str:
        """The search page's and the gateway's address as browsers reach it, without a slash at its end."""
        return (self.web_url or f"http://127.0.0.1:{self.web_port}").rstrip("/")

    def require_database_url(self) -> str:
        """Return the Postgres URL of the pipeline role.

        Raises:
            ConfigurationError: none is set and no embedded server is running.
        """
        if self.database_url is None:
            raise ConfigurationError(
                f"No database is known: IBHELM_DATABASE_URL is not set and there is no {self.state_dir}/env.",
                next_step="Start the embedded services with `ibhelm up`, or set IBHELM_DATABASE_URL.",
            )
        return self.database_url.get_secret_value()

    def require_s3_endpoint(self) -> str:
        """Return the URL of the S3 server.

        Raises:
            ConfigurationError: none is set and no embedded server is running.
        """
        if self.s3_endpoint is None:
            raise ConfigurationError(
                f"No S3 server is known: IBHELM_S3_ENDPOINT is not set and there is no {self.state_dir}/env.",
                next_step="Start the embedded services with `ibhelm up`, or set IBHELM_S3_ENDPOINT.",
            )
        return self.s3_endpoint


def load_settings(overrides: Mapping[str, object] | None = None, *, embedded: bool = True) -> Settings:
    """Read the settings of this process.

    Args:
        overrides: field values that win over every source, by field name.
        embedded: whether the addresses of the embedded services, written by `ibhelm up`, count.

    Raises:
        ConfigurationError: a value cannot be used; names the variable and what was wrong with it.
    """
    files = (embedded_env_file(overrides), DOTENV) if embedded else (DOTENV,)
    folder = secrets_folder(overrides)
    given = {**_outside_the_environment(read_secrets(folder)), **(overrides or {})}
    try:
        return Settings(_env_file=files, **given)  # type: ignore[call-arg, arg-type]  # by name
    except ValidationError as error:
        problems = "; ".join(f"{PREFIX}{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors())
        raise ConfigurationError(
            f"A setting cannot be used: {problems}.", next_step="Correct it and try again."
        ) from error


def secrets_folder(overrides: Mapping[str, object] | None = None) -> Path | None:
    """Return the folder of the files with secrets, where one is set.

    Raises:
        ConfigurationError: it is set, but there is no such folder: starting without its secrets would look like a
            fresh installation.
    """
    said = _said_early("secrets_dir", overrides)
    if not said:
        return None
    folder = Path(said).expanduser().absolute()
    if not folder.is_dir():
        raise ConfigurationError(
            f"There is no folder {folder}, in which the secrets should be.",
            next_step="Mount it, or correct IBHELM_SECRETS_DIR.",
        )
    return folder


def read_secrets(folder: Path | None) -> dict[str, str]:
    """Return what stands in the files that are named like settings (`ibhelm_web_secret`), by field name.

    White space around a value is the editor's: nearly all of them end a file with a line break. An empty file is a
    setting that is not set, as an empty line in `.env` is. (pydantic's own source takes it for a value, and lists with
    commas for JSON.)

    Raises:
        ConfigurationError: a file may not be read, or holds no text.
    """
    if folder is None:
        return {}
    files = {name: folder / f"{PREFIX}{name}".lower() for name in Settings.model_fields}
    values = {name: _read_secret(path) for name, path in files.items() if path.is_file()}
    return {name: value for name, value in values.items() if value}


def _read_secret(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"The secret in {path} cannot be read: {error}.",
            next_step="Let it hold text, and let the user that runs ibhelm read it and nobody else (chmod 600, chown).",
        ) from None


def secrets_in_files(settings: Settings) -> frozenset[str]:
    """Return the names of the settings that come from a file of the secrets' folder, not from the environment."""
    return frozenset(_outside_the_environment(read_secrets(settings.secrets_dir)))


def _outside_the_environment(values: Mapping[str, str]) -> dict[str, object]:
    said = {name.upper() for name, value in os.environ.items() if value}
    return {name: value for name, value in values.items() if f"{PREFIX}{name.upper()}" not in said}


def embedded_env_file(overrides: Mapping[str, object] | None = None) -> Path:
    """Return where `ibhelm up` writes the addresses of the embedded services."""
    return Path(_said_early("state_dir", overrides) or DEFAULT_STATE_DIR).expanduser() / "env"


def _said_early(name: str, overrides: Mapping[str, object] | None) -> str:
    """Return a setting that must be known before the others can be read; empty when it is not set."""
    variable = f"{PREFIX}{name.upper()}"
    override = str((overrides or {}).get(name) or "")
    return override or os.environ.get(variable) or dotenv_values(DOTENV).get(variable) or ""
