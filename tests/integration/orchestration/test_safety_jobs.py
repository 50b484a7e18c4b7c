"""The jobs that verify the mirror and purge tell Dagster what they did, and answer their checks however it went."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pytest
from nas_tree import Nas

from assets.mirror import mirror_job, mirror_verification
from assets.retention import purge_what_is_due, retention
from ibhelm_pipelines.content.steps import run_step
from ibhelm_pipelines.db.safety_checks import MIRROR_QUESTIONS, RETENTION_QUESTIONS
from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.settings import Settings
from resources.platform import Platform


@dg.job(name="purging")
def purging_job() -> None:
    purge_what_is_due()


@pytest.fixture
def office(nas: Nas, settings: Settings) -> Nas:
    for number in range(3):
        nas.write(f"projekte/A/{number}.txt", f"text {number}")
    scan(settings)
    run_step("store", settings)
    return nas


def told(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, object]:
    [one] = result.asset_materializations_for_node(result.job_def.nodes[0].name)
    assert one.asset_key == dg.AssetKey(asset)
    return {name: value.value for name, value in one.metadata.items()}


def test_each_job_tells_what_it_did_and_asks_its_checks(
    office: Nas, instance: dg.DagsterInstance, platform: Platform
) -> None:
    for job, asset, questions in (
        (mirror_job, "mirror_verification", MIRROR_QUESTIONS),
        (purging_job, "retention", RETENTION_QUESTIONS),
    ):
        result = job.execute_in_process(instance=instance, resources={"platform": platform})
        assert result.success
        assert told(result, asset)["refused"] == 0
        answers = {each.check_name: each.passed for each in result.get_asset_check_evaluations()}
        assert answers == {question.name: True for question in questions}


def test_a_job_that_fails_still_answers_its_checks(
    settings: Settings, instance: dg.DagsterInstance, platform: Platform, s3_client: Any
) -> None:
    s3_client.delete_bucket(Bucket=settings.s3_bucket)
    for job, questions in ((mirror_job, MIRROR_QUESTIONS), (purging_job, RETENTION_QUESTIONS)):
        result = job.execute_in_process(instance=instance, resources={"platform": platform}, raise_on_error=False)
        assert not result.success
        assert len(result.get_asset_check_evaluations()) == len(questions)


def test_the_assets_can_be_materialised_by_the_button(
    office: Nas, instance: dg.DagsterInstance, platform: Platform
) -> None:
    result = dg.materialize([mirror_verification, retention], instance=instance, resources={"platform": platform})
    assert result.success
    [event] = result.asset_materializations_for_node("mirror_verification")
    assert event.metadata["dagster/row_count"].value == 3
