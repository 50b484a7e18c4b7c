"""`ibhelm backup | backups | restore-database`: the databases, into the bucket and back."""

from __future__ import annotations

import datetime as dt
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ibhelm_pipelines.alerts.message import local_time
from ibhelm_pipelines.db.migrations import migrate
from ibhelm_pipelines.errors import ConfigurationError, IbhelmError
from ibhelm_pipelines.local.records import supervisor_process
from ibhelm_pipelines.local.status import without_password
from ibhelm_pipelines.local.storage import Storage, owner_url
from ibhelm_pipelines.privacy.again import forget_again
from ibhelm_pipelines.safety.backup import DAGSTER, NOCODB, back_up
from ibhelm_pipelines.safety.backup_keeping import expire_backups
from ibhelm_pipelines.safety.backup_ledger import drilled_backups
from ibhelm_pipelines.safety.backup_list import list_backups, newest_backup
from ibhelm_pipelines.safety.backup_manifest import DATABASE
from ibhelm_pipelines.safety.database_restore import restore_database
from ibhelm_pipelines.safety.database_swap import has_tables, make_if_missing, name_of, replace_database
from ibhelm_pipelines.safety.scratch_database import in_database
from ibhelm_pipelines.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ibhelm_pipelines.safety.backup_list import Backup
    from ibhelm_pipelines.safety.database_restore import DatabaseRestore
    from ibhelm_pipelines.settings import Settings

DRILL_WORDS = {"ok": "restored", "hash_only": "hash only", "failed": "FAILED"}


@click.command("backup")
def backup_command() -> None:
    """Back up the databases now, and delete the backups that are no longer kept. See docs/backup.md."""
    settings, now = load_settings(), _now()
    with _progress("Backing up") as tell:
        report = back_up(settings, now=now, on_progress=tell)
        expired = expire_backups(settings, now=now)
    click.echo(str(report))
    for manifest in report.backups:
        how = f"encrypted for {len(manifest.recipients)} keys" if manifest.recipients else "NOT encrypted"
        click.echo(
            f"  {manifest.key}: {manifest.rows:,} rows of {len(manifest.tables)} tables,"
            f" {manifest.size_bytes / 1e6:,.1f} MB, {how}"
        )
    for key in expired:
        click.echo(f"  no longer kept: {key}")


@click.command("backups")
@click.option("--all", "everything", is_flag=True, help="Also those of Dagster's and NocoDB's own databases.")
def backups_command(everything: bool) -> None:
    """List the backups in the bucket, the newest first. Exit status 1 when one of them cannot be relied on."""
    settings = load_settings()
    backups = list_backups(settings, database=None if everything else DATABASE)
    drilled = _drilled(settings)
    table = Table()
    for column in ("taken", "key", "MB", "rows", "encrypted", "drill", "kept until at most"):
        table.add_column(column, overflow="fold", justify="right" if column in ("MB", "rows") else "left")
    for backup in backups:
        table.add_row(*_cells(backup, drilled.get(backup.key, "")))
    Console().print(table)
    if not backups:
        click.echo("There is no backup. `ibhelm backup` makes one.")
    for backup in backups:
        if backup.problem:
            click.echo(f"PROBLEM {backup.manifest_key}: {backup.problem}.")
    raise SystemExit(1 if any(backup.problem for backup in backups) else 0)


def _drilled(settings: Settings) -> dict[str, str]:
    """Return what drills said; on the day of need no database knows it, and the list must do without."""
    try:
        return drilled_backups(settings)
    except IbhelmError as error:
        click.echo(f"What drills found is not known: {error.problem}", err=True)
        return {}


def _cells(backup: Backup, drill: str) -> tuple[Text, ...]:
    manifest = backup.manifest
    if manifest is None or backup.expires_at is None:
        return tuple(map(Text, ("?", backup.key, "", "", "", "DAMAGED", "")))
    encrypted = "yes" if manifest.recipients else "no"
    numbers = (f"{manifest.size_bytes / 1e6:,.1f}", f"{manifest.rows:,}")
    verdict = "DAMAGED" if backup.problem else DRILL_WORDS.get(drill, "-")
    kept = local_time(backup.expires_at)[:10]
    return tuple(map(Text, (local_time(manifest.taken_at), backup.key, *numbers, encrypted, verdict, kept)))


@click.command("restore-database")
@click.option("--backup", "key", help="Key of the dump, as `ibhelm backups` lists it; the newest when left out.")
@click.option("--into", help="URL of the database, or its name on our server; ours when left out.")
@click.option("--database", type=click.Choice([DATABASE, DAGSTER, NOCODB]), default=DATABASE, help="Which.")
@click.option("--replace", is_flag=True, help="Also into a database with tables: it is kept under another name.")
@click.option("--yes", is_flag=True, help="Do not ask for the name of the database that is replaced; for scripts.")
def restore_database_command(key: str | None, into: str | None, database: str, replace: bool, yes: bool) -> None:
    """Restore a backup into an empty database. Needs nothing but the bucket and the key file. See docs/backup.md.

    \b
    Exit status:
      0    all is restored, and found to be what was dumped
      1    nothing was restored; the message says why
    """
    with _target(into, database) as (settings, url):
        backup = newest_backup(settings, key=key, database=database)
        click.echo(f"Restoring {backup.key} into {without_password(url)}")
        make_if_missing(url)
        former = ""
        if has_tables(url):
            _require_consent(url, replace=replace, yes=yes)
            with _progress("Restoring") as tell:
                replaced = replace_database(
                    settings, url=url, now=_now(), key=backup.key, database=database, on_progress=tell
                )
            restored, former = replaced.restored, replaced.former
        else:
            with _progress("Restoring") as tell:
                restored = restore_database(
                    settings, url=url, now=_now(), key=backup.key, database=database, on_progress=tell
                )
        _say_what_was_restored(restored, url, former)
        if database == DATABASE and into is None:
            _forget_again(settings, url)
    if database == DATABASE:
        _say_what_next(restored, into)


def _require_consent(url: str, *, replace: bool, yes: bool) -> None:
    name = name_of(url)
    if not replace:
        raise ConfigurationError(
            f"The database {name} is not empty.",
            next_step="Restore --into another one; or say --replace: the present one is kept under another name then.",
        )
    if not yes and click.prompt(f"Type the name of the database that is to be replaced ({name})") != name:
        raise click.Abort


def _forget_again(settings: Settings, url: str) -> None:
    """Keep away who was forgotten after the backup was made; on tables as this version knows them, as their owner."""
    migrate(url)
    again = forget_again(settings.model_copy(update={"database_url": SecretStr(url)}))
    if again.addresses:
        click.echo(f"{again.addresses} people who were forgotten since were in it, and are forgotten again.")


def _say_what_was_restored(restored: DatabaseRestore, url: str, former: str) -> None:
    found, manifest = restored.comparison, restored.manifest
    click.echo(
        f"Restored into {name_of(url)} in {restored.seconds:,.0f} s, as of {local_time(manifest.taken_at)}:"
        f" {found.rows:,} rows of {found.tables} tables as counted in the backup, the contents of"
        f" {found.rows_compared:,} rows compared, sequences and rights as they were."
    )
    if former:
        click.echo(f"The former database is called {former} now; drop it when all is well.")


def _say_what_next(restored: DatabaseRestore, into: str | None) -> None:
    steps = [
        "`ibhelm up` (or the containers), which brings the tables up to date and gives the roles their passwords; on a"
        " server of your own give them yours: alter role ibhelm_pipeline login password '...'.",
        "`ibhelm scan --deep`: finds what changed on the NAS since. Originals that are in the bucket already are known"
        " by their hash and not sent again.",
        "`ibhelm sync teamwork --full` and `ibhelm sync missive --full`: where they stopped is as old as the backup.",
        "`ibhelm doctor` and `ibhelm status`.",
    ]
    if into is not None:
        steps = [
            "Whoever was forgotten since (`ibhelm forget`) is in it. If it is to be the office's database, restore it"
            " without --into; else drop it when you have seen what you wanted to see."
        ]
    click.echo(f"What happened after {local_time(restored.manifest.taken_at)} is not in it. Next:")
    for number, step in enumerate(steps, start=1):
        click.echo(f"  {number}. {step}")


@contextmanager
def _target(into: str | None, database: str) -> Iterator[tuple[Settings, str]]:
    """Give the settings and the URL of the target; the embedded services run for as long, if they are its."""
    if into is not None and "://" in into:
        yield load_settings(), into
        return
    storage = Storage.of_this_installation()
    if into is None and supervisor_process(storage.configured.state_dir) is not None:
        raise ConfigurationError(
            "The stack is up and uses the database.", next_step="Stop it with `ibhelm down`, or restore --into another."
        )
    with storage.bare(click.echo) as settings:
        urls = {
            DATABASE: owner_url(settings),
            DAGSTER: _url(settings, "dagster_database_url", in_database(owner_url(settings), DAGSTER)),
            NOCODB: _url(settings, "nocodb_own_database_url", in_database(owner_url(settings), NOCODB)),
        }
        yield settings, in_database(owner_url(settings), into) if into else urls[database]


def _url(settings: Settings, name: str, otherwise: str) -> str:
    value = getattr(settings, name)
    return str(value.get_secret_value()) if value is not None else otherwise


@contextmanager
def _progress(what: str) -> Iterator[Callable[[str], None]]:
    with Console(stderr=True).status(what) as status:
        yield lambda text: status.update(f"{what}: {text}")


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
