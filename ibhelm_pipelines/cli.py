"""The `ibhelm` command: finds the subcommand, and says errors of ours in their two sentences, with exit status 1.

Only the subcommand that is asked for is imported: a watcher on the NAS must not carry the libraries of all the others
(66 MiB instead of 125).
"""

from __future__ import annotations

from pkgutil import resolve_name
from typing import TYPE_CHECKING

import click

from ibhelm_pipelines.errors import IbhelmError

if TYPE_CHECKING:
    from typing import Any

COMMANDS = {
    "up": "ibhelm_pipelines.cli_local:up",
    "down": "ibhelm_pipelines.cli_local:down",
    "status": "ibhelm_pipelines.cli_local:status",
    "doctor": "ibhelm_pipelines.cli_local:doctor",
    "migrate": "ibhelm_pipelines.cli_local:migrate",
    "init-share": "ibhelm_pipelines.cli_local:init_share",
    "scan": "ibhelm_pipelines.cli_scan:scan_command",
    "retry": "ibhelm_pipelines.cli_retry:retry_command",
    "sync": "ibhelm_pipelines.cli_sync:sync_command",
    "demo": "ibhelm_pipelines.demo.run:demo_command",
    "simulate-teamwork": "ibhelm_pipelines.demo.teamwork.run:simulate_teamwork_command",
    "simulate-missive": "ibhelm_pipelines.demo.missive.run:simulate_missive_command",
    "watch": "ibhelm_pipelines.cli_live:watch_command",
    "work": "ibhelm_pipelines.cli_live:work_command",
    "webhooks": "ibhelm_pipelines.cli_live:webhooks_command",
    "web": "ibhelm_pipelines.cli_live:web_command",
    "teamwork-webhooks": "ibhelm_pipelines.cli_vendors:teamwork_webhooks",
    "missive-webhooks": "ibhelm_pipelines.cli_vendors:missive_webhooks",
    "index": "ibhelm_pipelines.cli_index:index_command",
    "rules": "ibhelm_pipelines.cli_register:rules_command",
    "restore": "ibhelm_pipelines.cli_restore:restore_command",
    "history": "ibhelm_pipelines.cli_restore:history_command",
    "forget": "ibhelm_pipelines.cli_privacy:forget_command",
    "access-log": "ibhelm_pipelines.cli_access_log:access_log_command",
    "verify": "ibhelm_pipelines.cli_mirror:verify_command",
    "retention": "ibhelm_pipelines.cli_mirror:retention_command",
    "search": "ibhelm_pipelines.cli_search:search_command",
    "mcp": "ibhelm_pipelines.cli_mcp:mcp_command",
    "file-types": "ibhelm_pipelines.cli_content:file_types_command",
    "coverage": "ibhelm_pipelines.cli_content:coverage_command",
    "contact-sheet": "ibhelm_pipelines.cli_content:contact_sheet_command",
    "backup": "ibhelm_pipelines.cli_backup:backup_command",
    "backups": "ibhelm_pipelines.cli_backup:backups_command",
    "restore-database": "ibhelm_pipelines.cli_backup:restore_database_command",
    "nocodb-setup": "ibhelm_pipelines.cli_nocodb:nocodb_setup_command",
    "export": "ibhelm_pipelines.cli_export:export_command",
    "provision": "ibhelm_pipelines.cli_deploy:provision_command",
    "init-secrets": "ibhelm_pipelines.cli_deploy:init_secrets_command",
    "health": "ibhelm_pipelines.cli_deploy:health_command",
    "dagster": "ibhelm_pipelines.cli_deploy:dagster_command",
}


class _Group(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click asks so
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click asks so
        command: click.Command | None = resolve_name(COMMANDS[cmd_name]) if cmd_name in COMMANDS else None
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except IbhelmError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Group)
@click.version_option(package_name="ibhelm-pipelines")
def main() -> None:
    """One truth for the office: NAS files in Postgres and S3, orchestrated by Dagster."""


if __name__ == "__main__":
    main()
