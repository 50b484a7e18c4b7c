"""The file assets, materialised on a real Dagster instance over a small NAS: which folder gets which numbers."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pytest
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG
from nas_tree import Nas

from assets.content import extracted_text, thumbnails
from assets.nas import NAS_SHARE, nas_files
from assets.objects import stored_originals
from ibhelm_pipelines.settings import Settings
from resources.partitions import FOLDERS_NAME
from resources.platform import Platform

FOLDERS = ["projekte/A", "projekte/B", "projekte/C"]
ALL = [NAS_SHARE, nas_files, stored_originals, thumbnails, extracted_text]


@pytest.fixture
def three_folders(nas: Nas, instance: dg.DagsterInstance) -> Nas:
    """A holds one text, B two, C three; their contents differ."""
    for number, folder in enumerate(FOLDERS, start=1):
        for file in range(number):
            nas.write(f"{folder}/brief {file}.txt", f"Sehr geehrte Damen und Herren {folder} {file}")
    instance.add_dynamic_partitions(FOLDERS_NAME, FOLDERS)
    return nas


def _backfill(instance: dg.DagsterInstance, platform: Platform, folders: list[str]) -> dg.ExecuteInProcessResult:
    tags = {ASSET_PARTITION_RANGE_START_TAG: folders[0], ASSET_PARTITION_RANGE_END_TAG: folders[-1]}
    return dg.materialize(ALL, instance=instance, resources={"platform": platform}, tags=tags)


def _numbers(result: dg.ExecuteInProcessResult, asset: str) -> dict[str | None, dict[str, Any]]:
    events = result.asset_materializations_for_node(asset)
    return {e.partition: {name: value.value for name, value in e.metadata.items()} for e in events}


def test_one_run_over_three_folders_gives_each_folder_its_own_numbers(
    three_folders: Nas, instance: dg.DagsterInstance, platform: Platform
) -> None:
    result = _backfill(instance, platform, FOLDERS)

    files = _numbers(result, "nas_files")
    assert {f: (n["seen"], n["new"], n["dagster/row_count"]) for f, n in files.items()} == {
        "projekte/A": (1, 1, 1),
        "projekte/B": (2, 2, 2),
        "projekte/C": (3, 3, 3),
    }
    assert {n["state"] for n in files.values()} == {"complete"}
    assert all(n["seconds"] >= 0 and n["files_per_second"] >= 0 for n in files.values())
    for asset in ("stored_originals", "extracted_text"):
        derived = _numbers(result, asset)
        assert {f: (n["ok"], n["dagster/row_count"]) for f, n in derived.items()} == {
            "projekte/A": (1, 1),
            "projekte/B": (2, 2),
            "projekte/C": (3, 3),
        }
    three_folders.assert_equals_disk()


def test_materialising_again_finds_nothing_to_do_and_says_so(
    three_folders: Nas, instance: dg.DagsterInstance, platform: Platform
) -> None:
    _backfill(instance, platform, FOLDERS)
    again = _backfill(instance, platform, FOLDERS)

    assert {n["new"] + n["changed"] + n["bytes"] for n in _numbers(again, "nas_files").values()} == {0}
    stored = _numbers(again, "stored_originals")
    assert {f: (n["done"], n["dagster/row_count"]) for f, n in stored.items()} == {
        "projekte/A": (0, 1),
        "projekte/B": (0, 2),
        "projekte/C": (0, 3),
    }


def test_a_folder_that_is_gone_from_the_disk_still_runs_well(
    three_folders: Nas, instance: dg.DagsterInstance, platform: Platform
) -> None:
    instance.add_dynamic_partitions(FOLDERS_NAME, ["projekte/Weg"])
    result = dg.materialize(ALL, instance=instance, resources={"platform": platform}, partition_key="projekte/Weg")

    assert result.success
    numbers = _numbers(result, "nas_files")["projekte/Weg"]
    assert (numbers["seen"], numbers["deleted"], numbers["dagster/row_count"]) == (0, 0, 0)


def _attempts(result: dg.ExecuteInProcessResult, instance: dg.DagsterInstance) -> int:
    kinds = [e.event_type_value for e in result.all_events]
    return kinds.count("STEP_START") + kinds.count("STEP_RESTARTED")


def test_an_unavailable_share_is_tried_four_times_and_then_fails_with_its_own_sentence(
    instance: dg.DagsterInstance, nas: Nas, platform: Platform
) -> None:
    instance.add_dynamic_partitions(FOLDERS_NAME, ["projekte/A"])
    nas.path(".ibhelm-share").unlink()
    result = dg.materialize(
        [NAS_SHARE, nas_files],
        instance=instance,
        resources={"platform": platform},
        partition_key="projekte/A",
        raise_on_error=False,
    )

    assert _attempts(result, instance) == 4
    failure = result.failure_data_for_node("nas_files")
    assert failure is not None
    assert failure.user_failure_data is not None
    assert "Tried 4 times." in (failure.user_failure_data.description or "")


def test_a_setting_that_is_missing_is_tried_once(
    instance: dg.DagsterInstance, settings: Settings, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance.add_dynamic_partitions(FOLDERS_NAME, ["projekte/A"])
    without_nas = Platform(
        overrides={k: v for k, v in platform.overrides.items() if k != "nas_root"}, first_pause_seconds=0
    )
    monkeypatch.chdir(settings.root.decode())  # no .env of the developer here
    result = dg.materialize(
        [NAS_SHARE, nas_files],
        instance=instance,
        resources={"platform": without_nas},
        partition_key="projekte/A",
        raise_on_error=False,
    )

    assert _attempts(result, instance) == 1
    failure = result.failure_data_for_node("nas_files")
    assert failure is not None
    assert failure.user_failure_data is not None
    assert "IBHELM_NAS_ROOT" in (failure.user_failure_data.description or "")
