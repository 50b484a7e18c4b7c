"""Every good run of a schedule requests its URL, and nothing that goes wrong with that fails anything."""

# No `from __future__ import annotations`: Dagster compares the annotation of `context` with its own classes.

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import dagster as dg
import pytest
import structlog
from pydantic import SecretStr

from ibhelm_pipelines.alerts.heartbeat_urls import SCHEDULES, heartbeat_urls
from ibhelm_pipelines.definitions import defs
from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.settings import Settings
from resources.platform import Platform
from sensors.heartbeats import schedule_heartbeats


class Watch:
    """A watching service that remembers what was requested."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.status = 200
        self.url = ""


@pytest.fixture
def watch() -> Iterator[Watch]:
    watch = Watch()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            watch.paths.append(self.path)
            self.send_response(watch.status)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    watch.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield watch
    server.shutdown()
    server.server_close()
    thread.join()


@dg.job(executor_def=dg.in_process_executor)
def work() -> None:
    """A run that goes well."""

    @dg.op
    def nothing() -> None:
        pass

    nothing()


def _sensor_says(urls: str, tags: dict[str, str]) -> str | None:
    with dg.DagsterInstance.ephemeral() as instance:
        result = work.execute_in_process(instance=instance, tags=tags)
        context = dg.build_run_status_sensor_context(
            sensor_name="schedule_heartbeats",
            dagster_instance=instance,
            dagster_run=result.dagster_run,
            dagster_event=result.get_run_success_event(),
            resources={"platform": Platform(overrides={"heartbeat_urls": urls})},
        )
        with context:
            said = schedule_heartbeats(context)
    assert isinstance(said, dg.SkipReason)
    return said.skip_message


def _scheduled(name: str) -> dict[str, str]:
    return {"dagster/schedule_name": name}


def test_a_good_run_of_a_schedule_requests_its_url_and_no_other(watch: Watch) -> None:
    urls = f"quick_scan={watch.url}/quick deep_scan={watch.url}/deep"
    assert _sensor_says(urls, _scheduled("deep_scan")) == "The heartbeat of deep_scan was sent."
    assert watch.paths == ["/deep"]


def test_a_run_that_nobody_scheduled_requests_nothing(watch: Watch) -> None:
    assert _sensor_says(f"quick_scan={watch.url}/quick", {}) == "No schedule started this run."
    assert watch.paths == []


def test_a_schedule_without_a_url_requests_nothing(watch: Watch) -> None:
    said = _sensor_says(f"quick_scan={watch.url}/quick", _scheduled("daily_retention"))
    assert (said, watch.paths) == ("No heartbeat URL is set for daily_retention.", [])


def test_a_service_that_refuses_or_is_away_is_one_line_of_the_log_and_the_tick_goes_well(watch: Watch) -> None:
    watch.status = 503
    with socket.create_server(("127.0.0.1", 0)) as server:
        nowhere = f"http://127.0.0.1:{server.getsockname()[1]}"
    for url, reason in ((watch.url, "HTTP 503"), (nowhere, "ConnectionError")):
        with structlog.testing.capture_logs() as lines:
            said = str(_sensor_says(f"quick_scan={url}/geheim", _scheduled("quick_scan")))
        assert said.startswith(f"The heartbeat of quick_scan could not be sent: {reason}. See whether")
        [line] = [line for line in lines if line["event"] == "heartbeat_not_sent"]
        assert (line["schedule"], line["reason"]) == ("quick_scan", reason)
        assert "geheim" not in said + str(lines)


@pytest.mark.parametrize(
    "text",
    [
        "nightly=https://hc.example/geheim",
        "https://hc.example/geheim",
        "quick_scan=geheim",
        "quick_scan=https://a.example/geheim quick_scan=https://b.example/geheim",
    ],
)
def test_a_setting_that_cannot_be_used_is_a_sentence_without_the_secret(text: str) -> None:
    with pytest.raises(ConfigurationError, match="IBHELM_HEARTBEAT_URLS") as error:
        heartbeat_urls(Settings(_env_file=None, heartbeat_urls=SecretStr(text)))
    assert (
        "the schedules are quick_scan, deep_scan, teamwork_quick_sync, teamwork_full_sync, missive_quick_sync,"
        in str(error.value)
    )
    assert "geheim" not in str(error.value)


def test_a_setting_that_cannot_be_used_does_not_fail_the_tick() -> None:
    assert "is not SCHEDULE=URL" in str(_sensor_says("nightly=https://hc.example/", _scheduled("quick_scan")))


def test_the_names_are_those_of_the_schedules_that_there_are() -> None:
    assert {schedule.name for schedule in defs.get_repository_def().schedule_defs} == set(SCHEDULES)
