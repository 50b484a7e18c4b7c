"""`ibhelm provision | init-secrets | health | dagster`: what containers and service managers call; docs/operate.md."""

from __future__ import annotations

from pathlib import Path

import click

from ibhelm_pipelines.local.dagster_command import become
from ibhelm_pipelines.local.health import check_health, process_of_this_container
from ibhelm_pipelines.local.provision import provision
from ibhelm_pipelines.local.secret_files import Server, init_secrets
from ibhelm_pipelines.settings import load_settings


@click.command("provision")
def provision_command() -> None:
    """Make databases, roles, tables and bucket on servers of others, as the settings name them; again at any time."""
    count = 0
    for count, sentence in enumerate(provision(load_settings()), start=1):  # noqa: B007 - counted to the end
        click.echo(sentence)
    if not count:
        click.echo("Everything is there.")


@click.command("init-secrets")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--postgres-host", default="db", show_default=True, help="Where the containers reach Postgres.")
@click.option("--postgres-port", default=5432, show_default=True)
def init_secrets_command(folder: Path, postgres_host: str, postgres_port: int) -> None:
    """Make the passwords of a deployment, each in a file in FOLDER; those that exist stay. Prints none of them."""
    made = init_secrets(folder, server=Server(host=postgres_host, port=postgres_port))
    click.echo(f"Made in {folder}: {', '.join(made)}." if made else f"All files are in {folder}; none was changed.")


@click.command("health")
@click.argument("process", required=False)
def health_command(process: str | None) -> None:
    """Exit with 0 if PROCESS (watch, work, webhooks, web, code-server, webserver, daemon) is well, else say why not.

    Without PROCESS: the one that runs in this container.
    """
    check_health(load_settings(), process or process_of_this_container())


@click.command("dagster", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED)
def dagster_command(words: tuple[str, ...]) -> None:
    """Become code-server, webserver or daemon, or a command of `dagster` itself, with its home and storage set up.

    The webserver asks nobody who they are: put a proxy with a login in front.
    """
    become(load_settings(), words)
