"""The live lane as the office sees it: the whole stack runs, somebody saves a file, and looks."""

from __future__ import annotations

import datetime as dt
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import psycopg
import pymupdf
import pytest
from dotenv import dotenv_values
from left_folders import servers_folder
from nas_tree import Nas

from ibhelm_pipelines.demo.office import MIN_FILES, generate_office
from ibhelm_pipelines.local.process import wait_until
from ibhelm_pipelines.local.records import DAEMON, WATCHER, WEBSERVER, WORKER, recorded
from ibhelm_pipelines.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.timeout(900)  # the first test also starts the stack, on a machine that may be busy

_MATERIALIZATIONS = """query ($asset: [String!]!) { assetNodeOrError(assetKey: {path: $asset}) { ... on AssetNode {
    assetMaterializations(limit: 100) { partition metadataEntries { label ... on TextMetadataEntry { text } } } } } }"""


class Office:
    """A running stack on a share of its own."""

    def __init__(self, state: Path, root: Path) -> None:
        self.state, self.root = state, root
        self.env = {
            **os.environ,
            "IBHELM_STATE_DIR": str(self.state),
            "IBHELM_NAS_ROOT": str(self.root),
            "IBHELM_DAGSTER_PORT": "0",
            "IBHELM_WEB_PORT": "0",
            "IBHELM_OCR": "false",  # half of a scan's time, and nothing here is about it
        }

    def ibhelm(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "ibhelm_pipelines.cli", *arguments]
        return subprocess.run(command, env=self.env, capture_output=True, text=True, check=False)

    @property
    def nas(self) -> Nas:
        settings = Settings(_env_file=None, nas_root=self.root, database_url=self.url)  # type: ignore[arg-type]
        return Nas(settings)

    @property
    def url(self) -> str:
        return str(dotenv_values(self.state / "env")["IBHELM_DATABASE_URL"])

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(query, values).fetchall()  # type: ignore[arg-type]

    def comes_true(self, query: str, *values: Any, seconds: float = 60) -> bool:
        return wait_until(lambda: bool(self.rows(query, *values)), seconds=seconds, poll_seconds=0.1)

    def is_quiet(self) -> bool:
        """Nothing waits, and nothing arrives for a moment."""
        quiet = "select 1 where not exists (select from ops.inbox where poisoned_at is null)"
        watched = "select 1 from ops.heartbeats where kind = 'watcher' and stopped_at is null"
        for _ in range(10):
            if not (self.rows(quiet) and self.rows(watched)):
                return False
            time.sleep(0.3)
        return True

    def live_partitions(self, asset: str) -> set[str]:
        """Folders for which the Dagster UI shows a materialisation that the live lane made."""
        port = recorded(self.state)[WEBSERVER][1]
        query = json.dumps({"query": _MATERIALIZATIONS, "variables": {"asset": [asset]}}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/graphql", data=query, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            events = json.load(response)["data"]["assetNodeOrError"]["assetMaterializations"]
        return {
            event["partition"]
            for event in events
            if any(entry["label"] == "via" and entry.get("text") == "live" for entry in event["metadataEntries"])
        }

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        record, _ = recorded(self.state)[name]
        os.kill(record.pid, number)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with servers_folder("ibhelm-live-") as folder:
        running = Office(folder / "state", tmp_path_factory.mktemp("share") / "nas")
        generate_office(running.root, files=MIN_FILES, projects=4, seed=7)
        try:
            up = running.ibhelm("up", "--detach")
            assert up.returncode == 0, up.stderr
            scan = running.ibhelm("scan")
            assert scan.returncode == 0, scan.stdout + scan.stderr
            yield running
        finally:
            running.ibhelm("down")


def _save_pdf(path: Path, words: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with pymupdf.open() as document:
        document.new_page().insert_text((72, 72), words)
        document.save(path)


_DONE = """
    select 1 from files f join content_texts t using (content_hash) join ops.stored_objects o using (content_hash)
    where f.path = %s and f.deleted_at is null and f.thumbnail is not null and t.text like %s and o.kind = 'original'
"""


_FOUND = """
    select 1 from search.documents d join files f on d.kind = 'file' and d.item_id = f.id
    where f.path = %s and d.words @@ %s::tsquery and d.body like %s
"""


def test_a_changed_file_is_soon_found_by_its_new_words_only_and_a_deleted_one_not_at_all(office: Office) -> None:
    folder = next(p for p in sorted(office.root.glob("*/*")) if p.is_dir())
    saved = folder / "Messprotokoll.pdf"
    path = str(saved.relative_to(office.root))
    _save_pdf(saved, "Nennweite DN 50")
    assert office.comes_true(_FOUND, path, "dn50", "%DN 50%")
    _save_pdf(saved, "Nennweite DN 80")
    assert office.comes_true(_FOUND, path, "dn80 & !dn50", "%DN 80%")
    saved.unlink()
    assert office.comes_true(f"select 1 where not exists ({_FOUND})", path, "dn80", "%")


def test_a_saved_pdf_is_soon_a_row_with_preview_text_and_original_and_shows_in_dagster(office: Office) -> None:
    folder = next(p for p in sorted(office.root.glob("*/*")) if p.is_dir())
    _save_pdf(folder / "Protokoll live.pdf", "Brandschutzklappe im Schacht")
    path = str((folder / "Protokoll live.pdf").relative_to(office.root))
    assert office.comes_true(_DONE, path, "%Brandschutzklappe%")
    key = office.rows("select folder from files where path = %s", path)[0][0]
    assets = ("nas_files", "stored_originals", "thumbnails", "extracted_text")
    assert wait_until(lambda: all(key in office.live_partitions(a) for a in assets), seconds=60, poll_seconds=1)


def test_a_new_project_folder_with_files_becomes_a_partition_with_history(office: Office) -> None:
    first = next(p for p in sorted(office.root.glob("*/*")) if p.is_dir())
    new = first.parent / "9901-Neubau Labor"
    _save_pdf(new / "01 Angebot" / "Angebot Kälte.pdf", "Kältemaschine R32")
    path = str((new / "01 Angebot" / "Angebot Kälte.pdf").relative_to(office.root))
    assert office.comes_true(_DONE, path, "%R32%")
    key = office.rows("select folder from files where path = %s", path)[0][0]
    assert wait_until(lambda: key in office.live_partitions("nas_files"), seconds=60, poll_seconds=1)


def test_a_renamed_folder_keeps_its_files_and_a_deleted_one_loses_them(office: Office) -> None:
    folder = next(p for p in sorted(office.root.glob("*/*")) if p.is_dir() and "9901" not in p.name)
    _save_pdf(folder / "Alt" / "Plan.pdf", "Grundriss")
    old = str((folder / "Alt" / "Plan.pdf").relative_to(office.root))
    assert office.comes_true(_DONE, old, "%Grundriss%")
    file_id = office.rows("select id from files where path = %s", old)[0][0]
    (folder / "Alt").rename(folder / "Neu")
    new = old.replace("/Alt/", "/Neu/")
    assert office.comes_true("select 1 from files where path = %s and id = %s and deleted_at is null", new, file_id)
    shutil.rmtree(folder / "Neu")
    assert office.comes_true("select 1 from files where id = %s and deleted_at is not null", file_id)
    assert office.comes_true("select 1 where not exists (select from ops.inbox)")
    office.nas.assert_equals_disk()


def test_killed_watcher_and_worker_are_started_again_and_miss_nothing(office: Office) -> None:
    folder = next(p for p in sorted(office.root.glob("*/*")) if p.is_dir())
    office.kill(WATCHER)
    _save_pdf(folder / "Während der Wächter tot war.pdf", "Wächter")
    path = str((folder / "Während der Wächter tot war.pdf").relative_to(office.root))
    assert office.comes_true(_DONE, path, "%Wächter%", seconds=120)
    office.kill(WORKER)
    _save_pdf(folder / "Während der Arbeiter tot war.pdf", "Arbeiter")
    path = str((folder / "Während der Arbeiter tot war.pdf").relative_to(office.root))
    assert office.comes_true(_DONE, path, "%Arbeiter%", seconds=120)
    assert wait_until(office.is_quiet, seconds=60)
    office.nas.assert_equals_disk()


@pytest.mark.soak
def test_with_the_worker_halted_a_drain_run_does_its_work(office: Office) -> None:
    folder = next(p for p in sorted(office.root.glob("*/*")) if p.is_dir())
    office.kill(WORKER, signal.SIGSTOP)
    try:
        _save_pdf(folder / "Ohne Arbeiter.pdf", "Entleerung")
        path = str((folder / "Ohne Arbeiter.pdf").relative_to(office.root))
        assert office.comes_true(_DONE, path, "%Entleerung%", seconds=180)
    finally:
        office.kill(WORKER, signal.SIGCONT)


class Watched:
    """The most that processes of a stack took, and that waited in its inbox, while a block ran."""

    def __init__(self, office: Office, *names: str) -> None:
        self._office = office
        self._processes = [psutil.Process(recorded(office.state)[name][0].pid) for name in names]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.memory = self.inbox = 0

    def __enter__(self) -> Watched:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.5):
            self.memory = max(self.memory, *(process.memory_info().rss for process in self._processes))
            self.inbox = max(self.inbox, self._office.rows("select count(*) from ops.inbox")[0][0])


_LONGEST_TICK = """
    select max(seconds) from (select (tick_body::json ->> 'end_timestamp')::float
        - (tick_body::json ->> 'timestamp')::float as seconds from job_ticks where timestamp > %s) as ticks
"""


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_flood_of_a_hundred_thousand_files_is_bounded_and_ends_exactly_like_the_disk(
    office: Office, record_property: Callable[[str, object], None]
) -> None:
    began = dt.datetime.now(dt.UTC)
    level = next(p for p in sorted(office.root.glob("*/*")) if p.is_dir()).parent
    folders = [level / f"96{number:02d}-Messreihe" for number in range(50)]
    with Watched(office, WATCHER, WORKER) as watched:
        for number in range(100_000):
            folder = folders[number * 50 // 100_000]
            folder.mkdir(exist_ok=True)
            (folder / f"{number}.txt").write_text(f"Messwert {number % 1000}")
        wrote = (dt.datetime.now(dt.UTC) - began).total_seconds()
        assert wait_until(office.is_quiet, seconds=1200, poll_seconds=1)
    office.nas.assert_equals_disk()
    with psycopg.connect(str(dotenv_values(office.state / "env")["IBHELM_DAGSTER_DATABASE_URL"])) as connection:
        [(longest,)] = connection.execute(_LONGEST_TICK, [began.replace(tzinfo=None)]).fetchall()
    record_property("flood", f"{wrote:.0f} s, {watched.memory >> 20} MiB, {watched.inbox} items, tick {longest:.1f} s")
    assert watched.memory < 400 << 20
    assert watched.inbox < 20_000
    assert longest < 5


@pytest.mark.soak
def test_a_disturbed_office_under_kills_ends_exactly_like_its_disk(
    shared_corpus: Path, private_folder: Path, tmp_path: Path
) -> None:
    office = Office(private_folder / "state", tmp_path / "nas")
    generator = [sys.executable, str(shared_corpus.parent / "make_nas.py")]
    subprocess.run([*generator, "build", str(office.root), "--files", "3000"], check=True, stdout=subprocess.DEVNULL)
    (office.root / ".ibhelm-share").touch()
    try:
        assert office.ibhelm("up", "--detach").returncode == 0
        office.ibhelm("scan")
        _disturb(office, generator, random.Random(3))
        assert wait_until(office.is_quiet, seconds=600, poll_seconds=1)
        office.ibhelm("scan")
        assert wait_until(office.is_quiet, seconds=600, poll_seconds=1)
        office.nas.assert_equals_disk()
    finally:
        office.ibhelm("down")


def _disturb(office: Office, generator: list[str], rng: random.Random) -> None:
    """A thousand operations in portions, with two kills of the watcher, one restart of Postgres, one of the daemon."""
    faults = {5: WATCHER, 9: "postgres", 13: WATCHER, 16: DAEMON}
    for portion in range(20):
        arguments = ["mutate", str(office.root), "--ops", "50", "--seed", str(rng.randrange(10**6))]
        subprocess.run([*generator, *arguments], check=True, stdout=subprocess.DEVNULL)
        if faults.get(portion) == "postgres":
            pid = int((office.state / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0])
            os.kill(pid, signal.SIGINT)  # a fast shutdown, which the supervisor answers with a start
        elif portion in faults:
            office.kill(faults[portion])
