"""The code location as a snapshot: a changed key, dependency, partition, cron line or check must show in a diff.

After an intended change: `UPDATE_SNAPSHOT=1 pytest tests/unit/test_definitions.py`, and read the diff of the .json.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import dagster as dg

from ibhelm_pipelines.db.checks import QUESTIONS
from ibhelm_pipelines.definitions import defs
from resources.tool_code import code_version

OF_TOOLS = {code_version("thumbnail"), code_version("text")}
"""Another one whenever a tool or its library is: no snapshot could keep up."""

SNAPSHOT = Path(__file__).with_name("definitions_snapshot.json")


def _asset(spec: dg.AssetSpec) -> dict[str, Any]:
    partitions = spec.partitions_def
    return {
        "group": spec.group_name,
        "deps": sorted(dep.asset_key.to_user_string() for dep in spec.deps),
        "kinds": sorted(spec.kinds),
        "owners": list(spec.owners),
        "code_version": "of its tools" if spec.code_version in OF_TOOLS else spec.code_version,
        "partitions": None if partitions is None else _partitions(partitions),
        "description": spec.description,
    }


def _partitions(partitions: dg.PartitionsDefinition) -> str:
    named = isinstance(partitions, dg.DynamicPartitionsDefinition)
    return f"{type(partitions).__name__}({partitions.name if named else partitions})"


def _snapshot() -> dict[str, Any]:
    repository = defs.get_repository_def()
    graph = repository.asset_graph
    return {
        "assets": {spec.key.to_user_string(): _asset(spec) for spec in defs.resolve_all_asset_specs()},
        "backfill": {
            key.to_user_string(): policy.max_partitions_per_run
            for key in graph.materializable_asset_keys
            if (policy := graph.get(key).backfill_policy) is not None
        },
        "checks": sorted(f"{key.asset_key.to_user_string()}: {key.name}" for key in graph.asset_check_keys),
        "jobs": {job.name: dict(job.tags) for job in repository.get_all_jobs() if not job.name.startswith("__")},
        "schedules": {
            s.name: {
                "job": s.job_name,
                "cron": s.cron_schedule,
                "zone": s.execution_timezone,
                "status": s.default_status.value,
            }
            for s in repository.schedule_defs
        },
        "sensors": {
            s.name: {"every": s.minimum_interval_seconds, "status": s.default_status.value}
            for s in repository.sensor_defs
        },
    }


def test_the_code_location_is_what_the_snapshot_says() -> None:
    now = json.dumps(_snapshot(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if os.environ.get("UPDATE_SNAPSHOT"):
        SNAPSHOT.write_text(now, encoding="utf-8")
    assert now == SNAPSHOT.read_text(encoding="utf-8")


def test_every_definition_can_be_loaded() -> None:
    dg.Definitions.validate_loadable(defs)


def test_each_asset_says_in_one_or_two_sentences_what_it_is() -> None:
    assert [spec.key for spec in defs.resolve_all_asset_specs() if not (spec.description or "").endswith(".")] == []


def test_every_question_is_a_check_of_its_asset() -> None:
    checks = {
        (key.asset_key.to_user_string(), key.name) for key in defs.get_repository_def().asset_graph.asset_check_keys
    }
    assert checks == {(question.asset, question.name) for question in QUESTIONS}


def test_every_run_holds_the_lock_that_shows_that_it_is_alive() -> None:
    jobs = defs.get_repository_def().get_all_jobs()
    assert [n.name for job in jobs for n in job.nodes if "platform" not in n.definition.required_resource_keys] == []


def test_every_job_of_one_asset_can_be_made_although_the_checks_of_all_are_one_op() -> None:
    for spec in defs.resolve_all_asset_specs():
        if spec.group_name != "sources":
            job = dg.define_asset_job("one", selection=dg.AssetSelection.assets(spec.key))
            dg.Definitions.validate_loadable(dg.Definitions.merge(defs, dg.Definitions(jobs=[job])))
