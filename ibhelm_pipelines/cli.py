"""The `ibhelm` command: parses, calls one function, prints what it says.

An error of ours becomes its two sentences and exit status 1.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ibhelm_pipelines.cli_live import watch_command, webhooks_command, work_command
from ibhelm_pipelines.cli_scan import scan_command
from ibhelm_pipelines.demo.run import demo_command
from ibhelm_pipelines.errors import IbhelmError
from ibhelm_pipelines.local import commands

if TYPE_CHECKING:
    from typing import Any


class _Group(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except IbhelmError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Group)
@click.version_option(package_name="ibhelm-pipelines")
def main() -> None:
    """One truth for the office: NAS files in Postgres and S3, orchestrated by Dagster."""


@main.command()
@click.option("--detach", is_flag=True, help="Go on in the background; return when all is up, or say what is not.")
def up(detach: bool) -> None:
    """Start Postgres, S3 and Dagster, and keep them up until Ctrl-C or `ibhelm down`."""
    if detach:
        raise SystemExit(commands.up_detached())
    commands.up()


@main.command()
def down() -> None:
    """Stop everything that `ibhelm up` started."""
    click.echo("Stopped." if commands.down() else "Nothing was running.")


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
def status(as_json: bool) -> None:
    """Show what runs, what waits and what is wrong. Exit status 1 when something does not run or an error is open."""
    raise SystemExit(commands.status(as_json=as_json))


@main.command()
def doctor() -> None:
    """Show every setting and its source, look for problems, and say what to do. Exit status 1 when there are any."""
    raise SystemExit(commands.doctor())


@main.command()
def migrate() -> None:
    """Bring the database up to date."""
    applied = commands.migrate()
    click.echo("\n".join(f"Applied {name}." for name in applied) or "The database is up to date.")


@main.command("init-share")
@click.argument("path", type=click.Path(path_type=Path))
def init_share(path: Path) -> None:
    """Put the marker on the NAS share at PATH, once, by which a mounted share is told from an empty folder."""
    click.echo(commands.init_share(path))


for command in (scan_command, demo_command, watch_command, work_command, webhooks_command):
    main.add_command(command)

if __name__ == "__main__":
    main()
