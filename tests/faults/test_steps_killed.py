"""kill -9 of the derived steps between any two of their statements and S3 calls: no row names an object that is not
there, nothing is done or told twice, and the next run ends where an undisturbed one does.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
import pymupdf
import pytest
from conftest import WEB_SECRET
from nas_tree import Nas

from ibhelm_pipelines.content.ledger import ASSETS
from ibhelm_pipelines.content.steps import open_steps, run_step
from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.objects.store import ObjectStore
from ibhelm_pipelines.settings import Settings

POINTS_IN_CI = 6
SEED = 20_261_122

# The whole run in a process of its own, which kills itself before its N-th statement or S3 call and prints what these
# were.
RUN = """
import json, os, signal, sys
import botocore.client, psycopg
from ibhelm_pipelines.content.steps import open_steps, run_step
from ibhelm_pipelines.settings import Settings

settings, die_at, hashes = Settings(_env_file=None, **json.loads(sys.argv[1])), int(sys.argv[2]), sys.argv[3:]
calls = []

def counted(method):
    def call(self, what, *args, **kwargs):
        calls.append(str(what))
        if len(calls) == die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return method(self, what, *args, **kwargs)
    return call

for name in ("execute", "executemany"):
    setattr(psycopg.Cursor, name, counted(getattr(psycopg.Cursor, name)))
botocore.client.BaseClient._make_api_call = counted(botocore.client.BaseClient._make_api_call)
if hashes:
    with open_steps(settings) as steps:
        steps.derive(hashes, tell=True)
else:
    for step in ("store", "thumbnail", "text"):
        run_step(step, settings)
print(json.dumps(calls))
"""

STEPS = ("store", "thumbnail", "text")


@pytest.fixture
def nas(settings: Settings) -> Nas:
    nas = Nas(settings)
    for i in range(6):
        nas.write(f"projekte/A/brief {i}.txt", f"Sehr geehrte Damen und Herren, {i}")
    document = pymupdf.open()
    document.new_page().insert_text((72, 72), "Angebot")
    nas.write("projekte/A/angebot.pdf", document.tobytes())
    document.close()
    nas.write("projekte/B/kopie.txt", "Sehr geehrte Damen und Herren, 0")
    nas.write("projekte/B/kaputt.pdf", "%PDF-1.7 broken")
    nas.write("projekte/B/leer.txt", "")
    nas.write("projekte/B/plan.dwg", "AC1032 not really")
    scan(settings)
    return nas


def run(settings: Settings, die_at: int = 0, *, live: Sequence[str] = ()) -> list[str] | None:
    """Run all steps in a process, or take some contents through them as the live lane does.

    Returns:
        The calls that it made, None when it was killed.
    """
    fields = {
        "nas_root": str(settings.nas_root),
        "state_dir": str(settings.state_dir),
        "database_url": settings.require_database_url(),
        "s3_endpoint": settings.require_s3_endpoint(),
        "s3_bucket": settings.s3_bucket,
        "content_workers": 1,
        "web_secret": WEB_SECRET,
    }
    command = [sys.executable, "-c", RUN, json.dumps(fields), str(die_at), *live]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == -signal.SIGKILL:
        return None
    assert done.returncode == 0, done.stderr
    return list(map(str, json.loads(done.stdout)))


def essence(nas: Nas, settings: Settings) -> dict[str, Any]:
    with ObjectStore(settings) as objects:
        keys = sorted(objects.list_keys(""))
    return {
        "results": sorted(nas.rows("select content_hash, step, state, reason, attempts from ops.step_results")),
        "objects": keys,
        "rows": sorted(key for (key,) in nas.rows("select key from ops.stored_objects")),
        "texts": sorted(nas.rows("select content_hash, text from content_texts")),
        "links": sorted(nas.rows("select path, coalesce(thumbnail, ''), coalesce(download_url, '') from files")),
    }


def assert_no_row_without_its_object(nas: Nas, settings: Settings) -> None:
    with ObjectStore(settings) as objects:
        present = set(objects.list_keys(""))
    assert {key for (key,) in nas.rows("select key from ops.stored_objects")} <= present
    done = "select content_hash from ops.step_results r where step = 'store' and state = 'ok' and not exists ("
    done += " select from ops.stored_objects o where o.content_hash = r.content_hash and o.kind = 'original')"
    assert nas.rows(done) == []


def reset(nas: Nas, settings: Settings) -> None:
    with psycopg.connect(nas.url) as connection:
        connection.execute("delete from ops.step_results")
        connection.execute("delete from ops.stored_objects")
        connection.execute("delete from content_texts")
        connection.execute("delete from ops.outbox")
        connection.execute("update files set thumbnail = null, download_url = null")
    with ObjectStore(settings) as objects:
        for key in list(objects.list_keys("")):
            objects.delete(key)


def check_kills(nas: Nas, settings: Settings, points: list[int], expected: dict[str, Any]) -> None:
    for point in points:
        reset(nas, settings)
        calls = run(settings, die_at=point)
        # Each thread may ask for the bucket before one has seen it: some runs have three calls fewer than others.
        assert calls is None or len(calls) < point, "it was killed, or was over by then"
        assert_no_row_without_its_object(nas, settings)
        for step in STEPS:
            run_step(step, settings)
        assert essence(nas, settings) == expected, f"killed before call {point}"


def undisturbed(nas: Nas, settings: Settings) -> tuple[dict[str, Any], int]:
    calls = run(settings)
    assert calls is not None
    return essence(nas, settings), len(calls)


def test_steps_killed_at_any_call_are_finished_by_the_next_run(settings: Settings, nas: Nas) -> None:
    expected, calls = undisturbed(nas, settings)
    assert expected["objects"] == expected["rows"]
    points = random.Random(SEED).sample(range(1, calls + 1), min(POINTS_IN_CI, calls))
    check_kills(nas, settings, points, expected)


@pytest.mark.soak
def test_steps_killed_at_every_call_are_finished_by_the_next_run(settings: Settings, nas: Nas) -> None:
    expected, calls = undisturbed(nas, settings)
    check_kills(nas, settings, list(range(1, calls + 1)), expected)


def done_and_told(nas: Nas) -> tuple[list[Any], list[Any]]:
    """By step and folder: how many contents have a result, and of how many the outbox says so."""
    done = """select r.step, f.folder, count(distinct r.content_hash)::int
              from ops.step_results r join files f using (content_hash) group by 1, 2"""
    told = "select asset, folder, sum((counts ->> 'done')::int)::int from ops.outbox group by 1, 2"
    return sorted((ASSETS[step], *rest) for step, *rest in nas.rows(done)), sorted(nas.rows(told))


def check_live_kills(nas: Nas, settings: Settings, choose: Callable[[list[str]], list[int]]) -> None:
    """One content, which lies in two folders: the calls of a run over several depend on who is done first."""
    hashes = [nas.one("select content_hash from files where name = 'kopie.txt'")]
    calls = run(settings, live=hashes)
    assert calls is not None
    expected, (done, told) = essence(nas, settings), done_and_told(nas)
    assert told == done
    with open_steps(settings) as steps:
        for point in choose(calls):
            reset(nas, settings)
            assert run(settings, die_at=point, live=hashes) is None
            assert_no_row_without_its_object(nas, settings)
            so_far, told_so_far = done_and_told(nas)
            assert told_so_far == so_far, f"killed before call {point}"
            steps.derive(hashes, tell=True)
            assert essence(nas, settings) == expected, f"killed before call {point}"
            assert done_and_told(nas) == (done, told), f"killed before call {point}"


def around_telling(calls: list[str]) -> list[int]:
    """For each step: before it is told, and before the next call after that."""
    told = [number for number, call in enumerate(calls, 1) if "ops.outbox" in call]
    assert len(told) == len(STEPS)
    return [point for number in told for point in (number, number + 1)]


def test_what_was_killed_around_its_telling_is_told_exactly_when_it_was_stored(settings: Settings, nas: Nas) -> None:
    check_live_kills(nas, settings, around_telling)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_what_was_killed_at_every_call_is_told_exactly_when_it_was_stored(settings: Settings, nas: Nas) -> None:
    check_live_kills(nas, settings, lambda calls: list(range(1, len(calls) + 1)))
