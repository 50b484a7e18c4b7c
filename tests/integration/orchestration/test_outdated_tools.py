"""A tool that changed shows in Dagster before anything was made anew, and no longer when all was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest
from nas_tree import Nas

from assets.content import extracted_text, thumbnails
from assets.nas import NAS_SHARE, nas_files
from assets.scan_job import scan_job
from ibhelm_pipelines.content import families
from resources.platform import Platform
from resources.tool_code import code_version

LETTERS, TABLES = "projekte/Briefe", "projekte/Tabellen"
CHECKS = ("thumbnail_outdated", "text_outdated")


@pytest.fixture
def _newer_text_reader() -> Iterator[None]:
    """Text files get a newer reader; everything else keeps its own."""
    old = families.FAMILIES["text"]
    families.FAMILIES["text"] = replace(old, text=replace(old.text, revision=old.text.revision + 1))
    families.tool_version.cache_clear()
    yield
    families.FAMILIES["text"] = old
    families.tool_version.cache_clear()


@pytest.fixture
def scanned(nas: Nas, instance: dg.DagsterInstance, platform: Platform) -> Nas:
    for number in range(2):
        nas.write(f"{LETTERS}/brief {number}.txt", f"Sehr geehrte Damen und Herren, Nummer {number}")
        nas.write(f"{TABLES}/liste {number}.csv", f"Pumpe;{number}\nVentil;2\n")
    assert _scan(instance, platform).success
    return nas


def _scan(instance: dg.DagsterInstance, platform: Platform, **config: Any) -> dg.ExecuteInProcessResult:
    run_config = {"ops": {"scan_and_derive": {"config": config}}}
    return scan_job.execute_in_process(instance=instance, resources={"platform": platform}, run_config=run_config)


def _state_of(instance: dg.DagsterInstance, asset: dg.AssetsDefinition, step: families.ReadStep) -> dict[str, str]:
    """What Dagster's UI says of each folder, the code being loaded now."""
    loaded = asset.map_asset_specs(lambda spec: spec.replace_attributes(code_version=code_version(step)))
    definitions = dg.Definitions(assets=[NAS_SHARE, nas_files, loaded], resources={"platform": Platform()})
    graph = definitions.get_repository_def().asset_graph
    resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
    states = {folder: resolver.get_status(asset.key, folder) for folder in (LETTERS, TABLES)}
    return {folder: StaleStatus(state).value for folder, state in states.items()}


def _told_and_failed(result: dg.ExecuteInProcessResult) -> tuple[set[tuple[str, str | None]], dict[str, str | None]]:
    told = {
        (event.asset_key.to_user_string(), event.partition)
        for event in result.asset_materializations_for_node("scan_and_derive")
    }
    evaluations = [e for e in result.get_asset_check_evaluations() if e.check_name in CHECKS]
    assert {e.check_name for e in evaluations} == set(CHECKS)
    return told, {e.check_name: e.description for e in evaluations if not e.passed}


@pytest.mark.usefixtures("scanned")
def test_what_the_present_tools_made_is_fresh(instance: dg.DagsterInstance) -> None:
    assert _state_of(instance, extracted_text, "text") == {LETTERS: "FRESH", TABLES: "FRESH"}
    assert _state_of(instance, thumbnails, "thumbnail") == {LETTERS: "FRESH", TABLES: "FRESH"}


@pytest.mark.usefixtures("scanned", "_newer_text_reader")
def test_a_newer_tool_makes_its_asset_stale_and_the_next_scan_makes_it_fresh_by_that_family_alone(
    nas: Nas, instance: dg.DagsterInstance, platform: Platform
) -> None:
    before = nas.rows("select content_hash, step, finished_at from ops.step_results")
    assert _state_of(instance, extracted_text, "text") == {LETTERS: "STALE", TABLES: "STALE"}
    assert _state_of(instance, thumbnails, "thumbnail") == {LETTERS: "FRESH", TABLES: "FRESH"}

    # A scan elsewhere has the newer reader known: how many wait for it, and of which family, is said.
    _, failed = _told_and_failed(_scan(instance, platform, folders=[TABLES]))
    assert list(failed) == ["text_outdated"]
    assert "2 contents have a text of an older tool only, most of them of the family text: 2." in str(failed)

    told, failed = _told_and_failed(_scan(instance, platform))
    assert failed == {}
    assert ("extracted_text", LETTERS) in told
    assert {asset for asset, _ in told} == {"extracted_text"}
    assert _state_of(instance, extracted_text, "text") == {LETTERS: "FRESH", TABLES: "FRESH"}
    unchanged = set(before) & set(nas.rows("select content_hash, step, finished_at from ops.step_results"))
    assert len(before) - len(unchanged) == 2

    assert _told_and_failed(_scan(instance, platform))[0] == set()


@pytest.mark.usefixtures("scanned")
def test_a_run_of_the_asset_itself_counts_as_told(instance: dg.DagsterInstance, platform: Platform, nas: Nas) -> None:
    resources = {"platform": platform}
    result = dg.materialize(
        [NAS_SHARE, nas_files, extracted_text],
        selection=[extracted_text],
        instance=instance,
        resources=resources,
        partition_key=LETTERS,
    )
    [event] = result.asset_materializations_for_node("extracted_text")
    assert "outdated" in event.metadata
    assert _state_of(instance, extracted_text, "text")[LETTERS] == "FRESH"
    assert _told_and_failed(_scan(instance, platform))[0] == set()
