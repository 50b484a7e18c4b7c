"""A large share is walked by several processes; the outcome is that of one, and half a walk is none."""

from __future__ import annotations

import os
import signal
import subprocess
from concurrent.futures import Future
from typing import Any

import pytest
from nas_tree import Nas

from ibhelm_pipelines.errors import TransientError
from ibhelm_pipelines.nas import parallel
from ibhelm_pipelines.nas.fingerprint import Comparison
from ibhelm_pipelines.nas.ignore import IgnoreRules
from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.nas.walk import Walker
from ibhelm_pipelines.settings import Settings


@pytest.fixture
def nas(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Nas:
    monkeypatch.setattr(parallel, "FOLDERS_WORTH_A_PROCESS", 1)
    monkeypatch.setattr(parallel, "PROCESSES", 3)
    nas = Nas(settings)
    for i in range(120):
        nas.write(f"projekte/{i % 7}/sub {i % 3}/{i}.txt", f"text {i}")
    nas.write("lose.txt", "loose")
    nas.write("projekte/lose.txt", "loose")
    nas.write("projekte/3/@eaDir/x", "junk")
    nas.write(b"projekte/latin\xfc/\xfc.txt", "bytes")
    return nas


def walked(settings: Settings, processes: int, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(parallel, "PROCESSES", processes)
    walker = Walker(settings.root, IgnoreRules.from_settings(settings), folder_depth=2)
    known: Future[dict[int, str]] = Future()
    known.set_result({})
    comparison, files = Comparison(), []
    differing = list(parallel.compare_share(walker, known, comparison, on_files=files.append))
    return (
        sorted((key, d.raw_path, d.folder, sorted(d.files)) for key, d in differing),
        comparison,
        sum(files),
        walker.log,
    )


def test_many_processes_see_what_one_sees(settings: Settings, nas: Nas, monkeypatch: pytest.MonkeyPatch) -> None:
    one, three = (walked(settings, processes, monkeypatch) for processes in (1, 3))
    assert one == three
    assert three[2] == 123


def test_a_share_walked_by_many_processes_is_stored_and_then_left_alone(settings: Settings, nas: Nas) -> None:
    assert scan(settings).total.new == 123
    nas.assert_equals_disk()
    again = scan(settings)
    assert (again.total.seen, again.bytes_hashed, again.ignored) == (123, 0, {"hidden": 1, "@eaDir": 1})
    nas.move("projekte/1", "projekte/8")
    nas.path("projekte/2/sub 2/2.txt").unlink()
    report = scan(settings)
    nas.assert_equals_disk()
    assert (report.total.moved, report.total.deleted, report.bytes_hashed) == (17, 1, 0)


@pytest.mark.parametrize("when", ["at its start", "half way"])
@pytest.mark.parametrize("which", [0, 2])
def test_a_walking_process_that_dies_ends_the_scan_and_deletes_nothing(
    settings: Settings, nas: Nas, monkeypatch: pytest.MonkeyPatch, when: str, which: int
) -> None:
    scan(settings)
    before = nas.live()
    nas.path("projekte/2/sub 2/2.txt").unlink()
    children: list[int] = []
    popen_init, tell = subprocess.Popen.__init__, parallel._tell

    def start(self: Any, *args: Any, **options: Any) -> None:
        popen_init(self, *args, **options)
        children.append(self.pid)
        if when == "at its start" and len(children) == which + 1:
            os.kill(self.pid, signal.SIGKILL)

    def send(process: Any, message: Any) -> None:
        if when == "half way" and isinstance(message, dict):  # without the digests no process can have ended
            os.kill(children[which], signal.SIGKILL)
        tell(process, message)

    monkeypatch.setattr(subprocess.Popen, "__init__", start)
    monkeypatch.setattr(parallel, "_tell", send)
    with pytest.raises(TransientError, match="before its time"):
        scan(settings)
    monkeypatch.undo()
    assert nas.live() == before
    assert scan(settings).total.deleted == 1
    nas.assert_equals_disk()
