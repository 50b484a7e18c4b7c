"""Which failed runs are still trouble: those whose work nobody has done since.

The same work is the same job over the same folders and assets; a scan of the whole share does the work of every folder,
and a deep one that of a quick one. A run whose retry is on its way, or under way, is not yet failed. So a permanent
failure is one condition, however often it is tried, and a healed one is none, whoever healed it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg

from ibhelm_pipelines.alerts.conditions import RUN_PREFIX, Condition
from ibhelm_pipelines.alerts.message import local_time
from resources.lanes import (
    BACKUP_ASSET,
    BACKUP_JOB,
    DEEP_TAG,
    DRILL_ASSET,
    DRILL_JOB,
    EMBEDDINGS_ASSET,
    EMBEDDINGS_JOB,
    FOLDER_ASSETS,
    FULL_TAG,
    MANIFESTS_ASSET,
    MANIFESTS_JOB,
    REGISTER_ASSETS,
    REGISTER_JOB,
    SCAN_JOB,
    SEARCH_ASSETS,
    SEARCH_JOB,
)
from resources.vendors import VENDORS
from sensors.schedules import IN_FLIGHT, REGISTER_OP, SCAN_OP, SEARCH_OP

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WINDOW = dt.timedelta(days=7)
"""How far back failed runs are looked for; further, as long as an alert about a run is open."""

RETRY_WAIT = dt.timedelta(minutes=10)
"""How long Dagster's daemon may take to start the retry that it announced."""

MOST_RUNS = 2000
MOST_SUCCESSES = 50
MOST_REASONS = 10
LONGEST_NAME = 150

ASSET_JOB = "__ASSET_JOB"
SYNCS = {vendor.job: vendor for vendor in VENDORS}
ASSETS_OF = {
    SCAN_JOB: FOLDER_ASSETS,
    REGISTER_JOB: REGISTER_ASSETS,
    SEARCH_JOB: SEARCH_ASSETS,
    EMBEDDINGS_JOB: frozenset({EMBEDDINGS_ASSET}),
    BACKUP_JOB: frozenset({BACKUP_ASSET}),
    DRILL_JOB: frozenset({DRILL_ASSET}),
    MANIFESTS_JOB: frozenset({MANIFESTS_ASSET}),
    **{job: vendor.assets for job, vendor in SYNCS.items()},
}
"""Jobs that do the work of assets too."""

KEEPING_OPS = {REGISTER_JOB: REGISTER_OP, SEARCH_JOB: SEARCH_OP}

THOROUGH_TAGS = {SCAN_JOB: DEEP_TAG} | dict.fromkeys((*KEEPING_OPS, *SYNCS), FULL_TAG)
"""Jobs whose thorough runs have to be found among many quick ones, by this tag."""

PARTITION_TAGS = ("dagster/partition", "dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a run was to do.

    Attributes:
        deep: whether a scan was a deep one, a sync a full one, one of register or search one of everything.
        folders: which folders a scan was asked for; None is the whole share.
        assets: which assets; empty for a job that is none of assets.
        partitions: the partition, or the ends of a range of them; of a sync what a backfill was asked for.
    """

    job: str
    deep: bool = False
    folders: frozenset[str] | None = None
    assets: frozenset[str] = frozenset()
    partitions: tuple[str, ...] = ()

    @classmethod
    def of(cls, run: dg.DagsterRun) -> Work:
        if run.job_name == SCAN_JOB:
            config = _config(run.run_config, SCAN_OP)
            folders = config.get("folders")
            return cls(
                job=run.job_name,
                deep=bool(config.get("deep")),
                folders=None if folders is None else frozenset(folders),
            )
        if vendor := SYNCS.get(run.job_name):
            config = _config(run.run_config, vendor.op)
            window = tuple(f"{name} {config[name]}" for name in vendor.windows if config.get(name))
            return cls(job=run.job_name, deep=bool(config.get("full")), partitions=window)
        if op := KEEPING_OPS.get(run.job_name):
            return cls(job=run.job_name, deep=bool(_config(run.run_config, op).get("everything")))
        assets = frozenset(key.to_user_string() for key in run.asset_selection or ())
        partitions = tuple(run.tags[tag] for tag in PARTITION_TAGS if tag in run.tags)
        return cls(job=run.job_name, assets=assets, partitions=partitions)

    def includes(self, other: Work) -> bool:
        """Return whether whoever has done this has done that too."""
        if self.job in ASSETS_OF and other.job == ASSET_JOB:
            whole = self.folders is None and not self.partitions
            if self.job in SYNCS and other.partitions and not self.deep:
                return False  # months are read again by a full sync only
            return whole and bool(other.assets) and other.assets <= ASSETS_OF[self.job]
        if self.job != other.job:
            return False
        if self.job in SYNCS and self.deep:
            return True
        if self.partitions != other.partitions:
            return False
        all_folders = self.folders is None or (other.folders is not None and other.folders <= self.folders)
        return all_folders and (self.deep or not other.deep) and self.assets >= other.assets

    def __str__(self) -> str:
        name = ", ".join(sorted(self.assets)) or self.job
        # A full sync that failed after a quick one, of the same cause as a rule, is the same trouble to people.
        how = ["deep"] if self.deep and self.job == SCAN_JOB else []
        parts = [*how, *sorted(self.folders or ()), *self.partitions]
        text = f"{name} ({', '.join(parts)})" if parts else name
        if len(text) <= LONGEST_NAME:
            return text
        return f"{text[:LONGEST_NAME]}... {hashlib.sha256(text.encode()).hexdigest()[:8]}"


def run_conditions(
    instance: dg.DagsterInstance, *, now: dt.datetime, open_since: dt.datetime | None = None
) -> tuple[Condition, ...]:
    """Return a condition for each piece of work that failed and was not done since.

    Args:
        instance: Dagster.
        now: the time of this look.
        open_since: when the oldest open alert about a run was opened; it stays until its work is done, however long.
    """
    start = min(now, open_since or now) - WINDOW
    failed = _records(instance, statuses=[dg.DagsterRunStatus.FAILURE], updated_after=start)
    standing = _without_retries(instance, failed, now)
    if not standing:
        return ()
    done = _successes(instance, standing)
    groups: dict[str, list[dg.RunRecord]] = {}
    for record in standing:
        work = Work.of(record.dagster_run)
        if not any(_later(success, record) and Work.of(success.dagster_run).includes(work) for success in done):
            groups.setdefault(str(work), []).append(record)
    return tuple(
        _condition(instance, name, records, with_reason=number < MOST_REASONS)
        for number, (name, records) in enumerate(groups.items())
    )


def _records(instance: dg.DagsterInstance, *, limit: int = MOST_RUNS, **filters: Any) -> Sequence[dg.RunRecord]:
    """Return the newest runs first."""
    return instance.get_run_records(dg.RunsFilter(**filters), limit=limit)


def _without_retries(
    instance: dg.DagsterInstance, failed: Sequence[dg.RunRecord], now: dt.datetime
) -> list[dg.RunRecord]:
    """Leave out what a re-execution has done, is doing, or is about to do."""
    if not failed:
        return []
    roots = sorted({_root(record) for record in failed})
    family = _records(instance, tags={"dagster/root_run_id": roots}, statuses=[*IN_FLIGHT, dg.DagsterRunStatus.SUCCESS])
    return [
        record
        for record in failed
        if not _about_to_be_retried(record, now)
        and not any(_root(member) == _root(record) and _settles(member, record) for member in family)
    ]


def _settles(member: dg.RunRecord, failed: dg.RunRecord) -> bool:
    """Return whether this re-execution has done what failed, or is at it."""
    return member.dagster_run.status in IN_FLIGHT or _ended(member) > _ended(failed)


def _root(record: dg.RunRecord) -> str:
    return record.dagster_run.root_run_id or record.dagster_run.run_id


def _about_to_be_retried(record: dg.RunRecord, now: dt.datetime) -> bool:
    waiting = record.dagster_run.is_complete_and_waiting_to_retry
    return waiting and now - _ended(record) < RETRY_WAIT


def _successes(instance: dg.DagsterInstance, failed: Iterable[dg.RunRecord]) -> list[dg.RunRecord]:
    """Return runs that may have done since what failed: the newest of each job, and the newest thorough ones."""
    jobs = {record.dagster_run.job_name for record in failed}
    oldest = min(map(_ended, failed))
    success = {"statuses": [dg.DagsterRunStatus.SUCCESS], "updated_after": oldest}
    found: list[dg.RunRecord] = []
    for job in sorted(jobs | (set(ASSETS_OF) if ASSET_JOB in jobs else set())):
        limit = MOST_RUNS if job == ASSET_JOB else MOST_SUCCESSES
        found += _records(instance, job_name=job, limit=limit, **success)
    for job in sorted(jobs & set(THOROUGH_TAGS)):
        found += _records(instance, job_name=job, tags={THOROUGH_TAGS[job]: "true"}, limit=MOST_SUCCESSES, **success)
    return found


def _later(success: dg.RunRecord, failed: dg.RunRecord) -> bool:
    """Return whether the good run began after the failed one began and ended after it ended."""
    return _began(success) > _began(failed) and _ended(success) > _ended(failed)


def _began(record: dg.RunRecord) -> dt.datetime:
    return _moment(record.start_time) or record.create_timestamp


def _ended(record: dg.RunRecord) -> dt.datetime:
    return _moment(record.end_time) or record.update_timestamp


def _moment(seconds: float | None) -> dt.datetime | None:
    return None if seconds is None else dt.datetime.fromtimestamp(seconds, dt.UTC)


def _config(run_config: Any, op: str) -> dict[str, Any]:
    config = run_config.get("ops", {}).get(op, {}).get("config") or {}
    return dict(config)


def _condition(instance: dg.DagsterInstance, name: str, records: list[dg.RunRecord], *, with_reason: bool) -> Condition:
    newest, oldest = max(records, key=_ended), min(records, key=_ended)
    times = f", {len(records)} times since {local_time(_ended(oldest))}" if len(records) > 1 else ""
    reason = _reason(instance, newest.dagster_run.run_id) if with_reason else ""
    return Condition(
        key=f"{RUN_PREFIX}{name}",
        severity="error",
        title=f"Run failed: {name}",
        body=(
            f"{name} failed at {local_time(_ended(newest))}{times} (run {newest.dagster_run.run_id[:8]}). {reason}"
            " See the run in the Dagster UI; this is over when the same work is done."
        ),
    )


def _reason(instance: dg.DagsterInstance, run_id: str) -> str:
    """Return the sentences of our own error; of any other exception only its name, for its text may hold anything."""
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_FAILURE, limit=1, ascending=False)
    for record in records.records:
        event = record.event_log_entry.dagster_event
        data = event.step_failure_data if event else None
        if data and data.user_failure_data and data.user_failure_data.description:
            return data.user_failure_data.description
        if data and data.error:
            cause = data.error.cause or data.error
            return f"An error that nobody expected: {cause.cls_name}."
    return ""
