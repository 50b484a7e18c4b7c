"""The S3 server dies while originals and previews are stored: nobody is blamed, and it ends well when it is back."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any

import psutil
import pytest
from nas_tree import Nas

from ibhelm_pipelines.content.ledger import Ledger
from ibhelm_pipelines.content.steps import Step, run_step
from ibhelm_pipelines.errors import ObjectStoreUnavailableError
from ibhelm_pipelines.local.s3 import EmbeddedS3
from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.objects.store import ObjectStore
from ibhelm_pipelines.settings import Settings


def kill(server: EmbeddedS3) -> None:
    port = int(server.endpoint.rsplit(":", 1)[1])
    pids = {c.pid for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN and c.laddr.port == port}
    for pid in pids - {None}:
        os.kill(pid, signal.SIGKILL)
    assert pids, "the server must have been running"


@pytest.mark.parametrize("step", ["store", pytest.param("thumbnail", marks=pytest.mark.soak)])
def test_a_store_killed_in_the_middle_blames_no_file_and_is_caught_up_with(
    settings: Settings, private_s3: EmbeddedS3, monkeypatch: pytest.MonkeyPatch, step: Step
) -> None:
    settings = Settings.model_validate(
        {**settings.model_dump(), "s3_endpoint": private_s3.endpoint, "s3_bucket": private_s3.bucket}
    )
    nas = Nas(settings)
    for i in range(120):
        nas.write(f"projekte/A/{i}.txt", f"text {i}")
    scan(settings)
    record, chunks = Ledger.record, [0]

    def record_and_kill(self: Ledger, results: Any) -> None:
        record(self, results)
        chunks[0] += 1
        if chunks[0] == 1:
            kill(private_s3)

    monkeypatch.setattr(Ledger, "record", record_and_kill)
    with pytest.raises(ObjectStoreUnavailableError):
        run_step(step, settings)
    monkeypatch.undo()
    states = "select state, count(*)::int from ops.step_results group by state"
    [(state, stored)] = nas.rows(states)
    assert (state, 0 < stored < 120) == ("ok", True)

    threading.Timer(1, private_s3.start).start()  # it comes back while we are already trying again
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            run_step(step, settings)
            break
        except ObjectStoreUnavailableError:
            continue

    assert nas.rows(states) == [("ok", 120)]
    with ObjectStore(settings) as objects:
        assert len(list(objects.list_keys(""))) == 120
