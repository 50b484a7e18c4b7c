"""What a killed test run leaves in memory, the next one removes; never what a living run has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
from left_folders import remove_left_folders, servers_folder

from ibhelm_pipelines.local.s3 import EmbeddedS3

RUN = """
import sys, time
from left_folders import servers_folder
from ibhelm_pipelines.local.s3 import EmbeddedS3
with servers_folder("ibhelm-left-") as folder:
    server = EmbeddedS3(folder=folder / "s3", bucket="left")
    server.start()
    print(folder, server.process().pid, flush=True)
    time.sleep(600)
"""


def test_a_killed_run_leaves_nothing_behind_the_next_and_a_living_one_keeps_all() -> None:
    code = f"import sys; sys.path[:0] = {sys.path!r}\n{RUN}"
    with servers_folder("ibhelm-living-") as living:
        ours = EmbeddedS3(folder=living / "s3", bucket="living")
        ours.start()
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as run:
            assert run.stdout is not None
            folder, pid = run.stdout.readline().split()
            remove_left_folders()
            assert Path(folder).is_dir()
            run.kill()
        assert psutil.pid_exists(int(pid))
        remove_left_folders()
        assert not Path(folder).exists()
        assert not psutil.pid_exists(int(pid)) or psutil.Process(int(pid)).status() == psutil.STATUS_ZOMBIE
        assert ours.running()
        ours.stop()
