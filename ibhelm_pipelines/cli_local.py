"""`ibhelm up | down | status | doctor | migrate | init-share`: the stack of this machine."""

from __future__ import annotations

from pathlib import Path

import click

from ibhelm_pipelines.content.protection import describe_protection
from ibhelm_pipelines.local import commands
from ibhelm_pipelines.safety.backup_state import describe_backups, describe_encryption
from ibhelm_pipelines.vendors.missive.access import describe_access as describe_missive
from ibhelm_pipelines.vendors.teamwork.access import describe_access as describe_teamwork


@click.command()
@click.option("--detach", is_flag=True, help="Go on in the background; return when all is up, or say what is not.")
def up(detach: bool) -> None:
    """Start Postgres, S3 and Dagster, and keep them up until Ctrl-C or `ibhelm down`."""
    if detach:
        raise SystemExit(commands.up_detached())
    commands.up()


@click.command()
def down() -> None:
    """Stop everything that `ibhelm up` started."""
    click.echo("Stopped." if commands.down() else "Nothing was running.")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
def status(as_json: bool) -> None:
    """Show what runs, what waits and what is wrong. Exit status 1 when something does not run or an error is open."""
    raise SystemExit(commands.status(as_json=as_json))


@click.command()
def doctor() -> None:
    """Show every setting and its source, look for problems, and say what to do. Exit status 1 when there are any.

    What is marked ADVICE works, but not as an office would want it; it changes no exit status.
    """
    looks = {
        "Teamwork": describe_teamwork,
        "Missive": describe_missive,
        "Opening files": describe_protection,
        "Backups": describe_backups,
        "Encryption of backups": describe_encryption,
    }
    raise SystemExit(commands.doctor(looks))


@click.command()
def migrate() -> None:
    """Bring the database up to date."""
    applied = commands.migrate()
    click.echo("\n".join(f"Applied {name}." for name in applied) or "The database is up to date.")


@click.command("init-share")
@click.argument("path", type=click.Path(path_type=Path))
def init_share(path: Path) -> None:
    """Put the marker on the NAS share at PATH, once, by which a mounted share is told from an empty folder."""
    click.echo(commands.init_share(path))
