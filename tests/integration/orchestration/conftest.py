"""A Dagster instance, and the platform as its resource, over the real database, S3 server and NAS tree of one test."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.storage.defs_state.base import set_defs_state_storage
from left_folders import servers_folder
from nas_tree import Nas

from ibhelm_pipelines.settings import Settings
from resources.platform import Platform


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """Storage in memory: the same code as on disk, without a tenth of a second for every event."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def instance_on_disk() -> Iterator[dg.DagsterInstance]:
    """For what needs a reference to its instance: schedules, and runs in other processes."""
    with servers_folder("ibhelm-dagster-") as folder, dg.instance_for_test(temp_dir=str(folder)) as instance:
        yield instance


@pytest.fixture(autouse=True)
def _no_leaked_instance() -> Iterator[None]:
    """build_schedule_context leaks a weak reference to its instance into a context variable (Dagster 1.13.27)."""
    with set_defs_state_storage(None):
        yield


@pytest.fixture
def nas(settings: Settings) -> Nas:
    return Nas(settings)


@pytest.fixture
def platform(settings: Settings) -> Platform:
    assert settings.database_url is not None
    return Platform(
        overrides={
            "nas_root": str(settings.nas_root),
            "state_dir": str(settings.state_dir),
            "database_url": settings.database_url.get_secret_value(),
            "s3_endpoint": settings.require_s3_endpoint(),
            "s3_bucket": settings.s3_bucket,
            "content_workers": "1",
        },
        first_pause_seconds=0,
    )
