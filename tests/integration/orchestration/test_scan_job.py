"""The job behind the schedules and `ibhelm scan`: what it stores, which folders it tells Dagster of, how it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from nas_tree import Nas

from assets.scan_job import scan_job
from ibhelm_pipelines.db.checks import QUESTIONS
from resources.partitions import FOLDERS_NAME
from resources.platform import Platform

ASSETS = ["nas_files", "stored_originals", "thumbnails", "extracted_text"]


class Office:
    """A NAS and the job that scans it."""

    def __init__(self, nas: Nas, instance: dg.DagsterInstance, platform: Platform) -> None:
        self.nas, self.instance, self.platform = nas, instance, platform

    def scan(self, **config: Any) -> dg.ExecuteInProcessResult:
        return scan_job.execute_in_process(
            instance=self.instance,
            resources={"platform": self.platform},
            run_config={"ops": {"scan_and_derive": {"config": config}}},
            raise_on_error=False,
        )

    def failed_checks(self) -> dict[str, str | None]:
        """Name and sentence of each check whose newest evaluation failed; every check has one."""
        keys = [dg.AssetCheckKey(dg.AssetKey(q.asset), q.name) for q in QUESTIONS]
        records = self.instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
        assert set(records) == set(keys)
        evaluations = [record.evaluation for record in records.values()]
        return {e.check_name: e.description for e in evaluations if e is not None and not e.passed}


@pytest.fixture
def office(nas: Nas, instance: dg.DagsterInstance, platform: Platform) -> Office:
    for folder in ("A", "B"):
        for number in range(3):
            nas.write(f"projekte/{folder}/brief {number}.txt", f"Sehr geehrte Damen und Herren, {folder} {number}")
    return Office(nas, instance, platform)


def _told(result: dg.ExecuteInProcessResult) -> dict[str, list[str | None]]:
    """Which folders each asset was materialised for."""
    told: dict[str, list[str | None]] = {asset: [] for asset in ASSETS}
    for event in result.asset_materializations_for_node("scan_and_derive"):
        told[event.asset_key.to_user_string()].append(event.partition)
    return {asset: sorted(folders, key=str) for asset, folders in told.items()}


def _each_asset(folders: list[str]) -> dict[str, list[str]]:
    return dict.fromkeys(ASSETS, folders)


def test_one_run_brings_every_file_from_the_disk_into_tables_and_store(office: Office) -> None:
    assert office.scan().success

    office.nas.assert_equals_disk()
    assert office.nas.one("select count(*) from ops.stored_objects where kind = 'original'") == 6
    assert office.nas.one("select count(*) from content_texts where text like 'Sehr geehrte%%'") == 6
    assert office.failed_checks() == {}


def test_the_first_run_makes_the_partitions_and_tells_of_every_folder(office: Office) -> None:
    result = office.scan()

    assert set(office.instance.get_dynamic_partitions(FOLDERS_NAME)) == {"_loose", "projekte/A", "projekte/B"}
    assert _told(result) == _each_asset(["_loose", "projekte/A", "projekte/B"])


def test_a_quick_run_tells_only_of_folders_where_something_happened(office: Office) -> None:
    office.scan()
    assert _told(office.scan()) == _each_asset([])

    office.nas.write("projekte/B/neu.txt", "ein neuer Brief")
    assert _told(office.scan()) == _each_asset(["projekte/B"])


def test_a_deep_run_tells_of_every_folder(office: Office) -> None:
    office.scan()
    assert _told(office.scan(deep=True)) == _each_asset(["_loose", "projekte/A", "projekte/B"])


def test_a_run_over_one_folder_leaves_the_others_alone(office: Office) -> None:
    result = office.scan(folders=["projekte/A"])

    assert _told(result) == _each_asset(["projekte/A"])
    assert office.nas.one("select count(*) from files") == 3


def test_refused_deletions_fail_the_check_until_an_operator_confirms_them(office: Office) -> None:
    office.scan()
    for number in range(3):
        office.nas.path(f"projekte/A/brief {number}.txt").unlink()
    office.scan()

    sentence = office.failed_checks()["mass_deletion_refused"]
    assert sentence is not None
    assert "3 from projekte/A" in sentence
    refused = office.nas.one("select max(id) from ops.scans")

    assert office.scan(confirm_deletions=refused).success
    assert office.failed_checks() == {}
    assert office.nas.one("select count(*) from files where deleted_at is not null") == 3


def test_files_that_come_back_end_the_alarm(office: Office) -> None:
    office.scan()
    folder = office.nas.path("projekte/A")
    folder.rename(office.nas.root / ".hidden")
    office.scan()
    assert "mass_deletion_refused" in office.failed_checks()

    (office.nas.root / ".hidden").rename(folder)
    office.scan()
    assert office.failed_checks() == {}


def test_a_failed_run_still_answers_the_checks_and_says_why_in_its_summary(office: Office, tmp_path: Path) -> None:
    office.scan()
    office.nas.rows("update ops.folders set last_complete_scan_at = now() - interval '3 days' returning folder")
    office.nas.path(".ibhelm-share").unlink()

    result = office.scan(report_path=str(tmp_path / "summary.json"))

    assert not result.success
    assert "folders_not_scanned" in office.failed_checks()
    assert ".ibhelm-share" in json.loads((tmp_path / "summary.json").read_text())["error"]


def test_a_confirmation_that_does_not_fit_is_tried_once(office: Office) -> None:
    result = office.scan(confirm_deletions=4711)

    assert not result.success
    assert [e.event_type_value for e in result.all_events].count("STEP_RESTARTED") == 0
    assert office.nas.one("select count(*) from ops.scans") == 1


def test_the_summary_holds_the_numbers_of_the_scan_and_of_each_step(office: Office, tmp_path: Path) -> None:
    result = office.scan(report_path=str(tmp_path / "summary.json"))

    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["run_id"] == result.run_id
    assert summary["scan"]["total"]["new"] == 6
    assert {step: report["total"]["done"] for step, report in summary["steps"].items()} == {
        "store": 6,
        "thumbnail": 6,
        "text": 6,
    }
