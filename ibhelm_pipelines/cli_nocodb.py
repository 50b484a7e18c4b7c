"""`ibhelm nocodb-setup URL TOKEN`: the office's base in NocoDB, with German labels and the views that people need."""

from __future__ import annotations

import click

from ibhelm_pipelines.nocodb.setup import Report, set_up
from ibhelm_pipelines.settings import load_settings

EXIT_INCOMPLETE = 1


# NocoDB makes API tokens that begin with a minus, one in 64; click would look for options in them.
@click.command("nocodb-setup", context_settings={"ignore_unknown_options": True})
@click.argument("url")
@click.argument("token", envvar="IBHELM_NOCODB_TOKEN")
def nocodb_setup_command(url: str, token: str) -> None:
    """Make the base IBHelm in the NocoDB at URL, or bring it up to date after `ibhelm migrate`.

    TOKEN is an API token or a sign-in token of a user who may create bases there; IBHELM_NOCODB_TOKEN serves as well.
    What people changed in NocoDB stays. Exit status 1 when NocoDB refused a part.
    """
    report = set_up(load_settings(), url, token, click.echo)
    _tell(report, url)
    if report.failed:
        raise SystemExit(EXIT_INCOMPLETE)


def _tell(report: Report, url: str) -> None:
    click.echo(
        f"{report.tables} tables; now changed: {report.titled} titles of tables, {report.columns} columns,"
        f" {report.views} views; {report.made} views made."
    )
    for name, lines in (
        ("Left as a person has it", report.kept),
        ("Without a German name (ibhelm_pipelines/nocodb/labels.py)", report.unnamed),
        ("Refused by NocoDB", report.failed),
    ):
        if lines:
            click.echo(f"{name}:")
            for line in lines:
                click.echo(f"  {line}")
    click.echo(f"The office's base: {url.rstrip('/')}{report.address}")
