"""The sensor that keeps the folder partitions in step with the disk, and never takes a lost share for an empty one."""

from __future__ import annotations

import shutil

import dagster as dg
import pytest
from nas_tree import Nas

from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.settings import Settings
from resources.partitions import FOLDERS_NAME
from resources.platform import Platform
from sensors.folders import folder_partitions


def _tick(instance: dg.DagsterInstance, platform: Platform) -> str | None:
    """Evaluate the sensor once and do what it asks, as the daemon would; its sentence when it asks for nothing."""
    with dg.build_sensor_context(instance=instance, resources={"platform": platform}) as context:
        result = folder_partitions(context)
    if isinstance(result, dg.SkipReason):
        return result.skip_message
    assert isinstance(result, dg.SensorResult)
    for request in result.dynamic_partitions_requests or []:
        if isinstance(request, dg.AddDynamicPartitionsRequest):
            instance.add_dynamic_partitions(request.partitions_def_name, request.partition_keys)
        else:
            for key in request.partition_keys:
                instance.delete_dynamic_partition(request.partitions_def_name, key)
    return None


def _keys(instance: dg.DagsterInstance) -> set[str]:
    return set(instance.get_dynamic_partitions(FOLDERS_NAME))


@pytest.fixture
def two_folders(nas: Nas, settings: Settings, instance: dg.DagsterInstance, platform: Platform) -> Nas:
    nas.write("projekte/A/plan.txt", "A")
    nas.write("projekte/B/plan.txt", "B")
    scan(settings)
    assert _tick(instance, platform) is None
    return nas


def test_new_folders_get_a_partition_and_then_nothing_is_asked_for(
    two_folders: Nas, instance: dg.DagsterInstance, platform: Platform
) -> None:
    assert _keys(instance) == {"_loose", "projekte/A", "projekte/B"}
    assert _tick(instance, platform) == "The partitions are the 3 folders of the share."

    two_folders.path("projekte/C").mkdir()
    _tick(instance, platform)
    assert _keys(instance) == {"_loose", "projekte/A", "projekte/B", "projekte/C"}


def test_a_folder_that_is_gone_keeps_its_partition_while_a_live_file_is_left_in_it(
    two_folders: Nas, settings: Settings, instance: dg.DagsterInstance, platform: Platform
) -> None:
    shutil.rmtree(two_folders.path("projekte/B"))
    _tick(instance, platform)
    assert "projekte/B" in _keys(instance)

    refused = scan(settings)  # one file of two is more than 5 %
    _tick(instance, platform)
    assert "projekte/B" in _keys(instance)

    scan(settings, confirm_deletions=refused.scan_id)
    _tick(instance, platform)
    assert _keys(instance) == {"_loose", "projekte/A"}


def test_a_folder_without_files_that_is_gone_loses_its_partition(
    two_folders: Nas, instance: dg.DagsterInstance, platform: Platform
) -> None:
    two_folders.path("projekte/leer").mkdir()
    _tick(instance, platform)
    two_folders.path("projekte/leer").rmdir()
    _tick(instance, platform)
    assert _keys(instance) == {"_loose", "projekte/A", "projekte/B"}


@pytest.mark.parametrize("loss", ["marker", "root", "setting"])
def test_an_unavailable_share_changes_no_partition_and_says_so(
    two_folders: Nas, instance: dg.DagsterInstance, platform: Platform, loss: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _keys(instance)
    two_folders.rows("update files set deleted_at = now() returning 1")  # even then
    if loss == "marker":
        two_folders.path(".ibhelm-share").unlink()
    elif loss == "root":
        shutil.rmtree(two_folders.root)
    else:
        monkeypatch.chdir("/")
        overrides = {name: value for name, value in platform.overrides.items() if name != "nas_root"}
        platform = Platform(overrides=overrides)

    sentence = _tick(instance, platform)

    assert sentence
    assert sentence.endswith(".")
    assert _keys(instance) == before
