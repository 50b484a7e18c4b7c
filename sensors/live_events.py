"""Tells Dagster what the live lane did: one materialisation for each asset and folder (of Missive: month) of a tick,
without any run; one for an asset that has neither.

Reads `ops.outbox` in the order of commits (ibhelm_pipelines/live/outbox.py) and at most so much that a tick stays below
5 s; what is left comes with the next ticks. The daemon stores the events and then the cursor: only when it dies in
between are the same events told twice; they are never lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from ibhelm_pipelines.content.ledger import ASSETS
from ibhelm_pipelines.db.connect import Connection, connect, translated_errors
from ibhelm_pipelines.db.live import NO_FOLDER
from ibhelm_pipelines.db.queries import load_queries
from ibhelm_pipelines.errors import IbhelmError
from ibhelm_pipelines.live.outbox import Cursor, News, count_live_files, forget_told, read_news
from ibhelm_pipelines.vendors.missive.months import MONTHLY_ASSETS, rows_by_month
from ibhelm_pipelines.vendors.teamwork.row_counts import count_rows
from resources.partitions import FOLDERS, FOLDERS_NAME, MONTHS
from resources.platform import Platform
from resources.tool_code import provenance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibhelm_pipelines.settings import Settings

INTERVAL_SECONDS = 10
ROW_COUNT = "dagster/row_count"
STEPS = {asset: step for step, asset in ASSETS.items()}


@dg.sensor(minimum_interval_seconds=INTERVAL_SECONDS, default_status=dg.DefaultSensorStatus.RUNNING)
def live_events(context: dg.SensorEvaluationContext, platform: Platform) -> dg.SensorResult | dg.SkipReason:
    """Tell of what the live workers did since the last tick, and add the partitions of new folders."""
    try:
        settings = platform.settings()
        return _tick(context, settings)
    except IbhelmError as error:
        return dg.SkipReason(str(error))


def _tick(context: dg.SensorEvaluationContext, settings: Settings) -> dg.SensorResult | dg.SkipReason:
    told = Cursor.parse(context.cursor)
    with (
        connect(settings.require_database_url(), application="sensor", autocommit=True) as connection,
        translated_errors(),
    ):
        news = read_news(connection, told)
        if news.continues(told):
            forget_told(connection, told)
        live = count_live_files(connection, {folder for _, folder in news.events if folder != NO_FOLDER})
        events = list(_events(connection, news, live))
    if not events:
        return dg.SensorResult(skip_reason=_why_nothing(news), cursor=str(news.cursor))
    new = sorted(set(live).difference(context.instance.get_dynamic_partitions(FOLDERS_NAME)))
    return dg.SensorResult(
        asset_events=events,
        dynamic_partitions_requests=[FOLDERS.build_add_request(new)] if new else [],
        cursor=str(news.cursor),
    )


def _events(connection: Connection, news: News, live: dict[str, int]) -> Iterator[dg.AssetMaterialization]:
    """Yield the events with the numbers that a run would show; the row count is that of now."""
    row_counts = {"nas_files": live} | {
        asset: _derived(connection, step, [folder for a, folder in news.events if a == asset])
        for asset, step in STEPS.items()
    }
    if any(asset in MONTHLY_ASSETS for asset, _ in news.events):
        row_counts |= rows_by_month(connection)
    for (asset, folder), counts in news.events.items():
        if asset in MONTHLY_ASSETS and not MONTHS.has_partition_key(folder):
            continue  # a date that cannot be: its rows are stored, and there is no partition to tell of
        if folder == NO_FOLDER:
            rows = {ROW_COUNT: count_rows(connection, asset)}
        else:
            rows = {ROW_COUNT: row_counts[asset].get(folder, 0)} if asset in row_counts else {}
        made_by = provenance(STEPS[asset]) if asset in STEPS else None
        metadata: dict[str, int | str] = {**counts, **rows, "via": "live"}
        yield dg.AssetMaterialization(asset, partition=folder or None, metadata=metadata, tags=made_by)


def _derived(connection: Connection, step: str, folders: list[str]) -> dict[str, int]:
    values = {"folders": folders, "step": step}
    return dict(connection.execute(load_queries("checks")["derived_contents"], values).fetchall()) if folders else {}


def _why_nothing(news: News) -> str:
    if news.waiting:
        return f"{news.waiting} rows of the outbox wait until an older transaction is over."
    return "The live lane did nothing since the last tick."
