"""The rule of upgrades, tried: the last landed release goes on working while today's migrations are applied, and after.

Migrations of a release only add (docs/operate.md, "Upgrade"). So whoever upgrades may apply them first and exchange
workers and watchers one after the other. Here the watcher and the worker of the last landed commit run from its own
source, on its own schema; today's migrations come while files are being added, changed, renamed and deleted; old and
new worker then share the inbox; and nothing is lost, doubled or given up.
"""

from __future__ import annotations

import hashlib
import io
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest

from ibhelm_pipelines.local.process import tail, wait_until

REPOSITORY = Path(__file__).resolve().parents[2]
LANDED = "69da538"
"""The last commit of main that landed before the migrations of this release: to be renewed with each release."""

PATIENCE_SECONDS = 120
FOLDERS = [f"projekte/230{n}-Bau {n}" for n in range(1, 5)]


def _source_of(commit: str, folder: Path) -> Path:
    """Lay the tree of a commit out; without a worktree, which would write into the repository."""
    known = subprocess.run(
        ["git", "cat-file", "-e", f"{commit}^{{commit}}"], cwd=REPOSITORY, capture_output=True, check=False
    )
    if known.returncode != 0:
        pytest.skip(f"this clone does not reach back to {commit}")
    packed = subprocess.run(["git", "archive", commit], cwd=REPOSITORY, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    return folder


class Release:
    """One release's source, and its commands on the one office."""

    def __init__(self, source: Path, environment: dict[str, str], logs: Path) -> None:
        self.source, self.environment, self.logs = source, {**environment, "PYTHONPATH": str(source)}, logs

    def run(self, *words: str, **variables: str) -> str:
        command = [sys.executable, "-m", "ibhelm_pipelines.cli", *words]
        done = subprocess.run(
            command, cwd=self.source, env={**self.environment, **variables}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @contextmanager
    def running(self, command: str) -> Iterator[Path]:
        """Keep a process of this release up for the length of the block; it must live to its end, and end well."""
        log = self.logs / f"{self.source.name}-{command}.log"
        state = {"IBHELM_STATE_DIR": str(self.logs / f"{self.source.name}-{command}")}
        with log.open("wb") as file:
            words = [sys.executable, "-m", "ibhelm_pipelines.cli", command]
            process = subprocess.Popen(
                words, cwd=self.source, env={**self.environment, **state}, stdout=file, stderr=file
            )
        try:
            yield log
            assert process.poll() is None, tail(log)
        finally:
            process.terminate()
            status = process.wait(PATIENCE_SECONDS)
            # One that was still starting, and so has said nothing, has no handler yet: it ends by the signal itself.
            assert status == 0 or (status == -signal.SIGTERM and not tail(log)), tail(log)


class Nas:
    """What is on the share, known by heart."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.truth: dict[str, str] = {}

    def put(self, path: str, text: str) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        self.truth[path] = hashlib.sha256(text.encode()).hexdigest()

    def rename(self, path: str, to: str) -> None:
        (self.root / path).rename(self.root / to)
        self.truth[to] = self.truth.pop(path)

    def delete(self, path: str) -> None:
        (self.root / path).unlink()
        del self.truth[path]

    def burst(self, name: str) -> None:
        """New files in every folder, and one changed, renamed and deleted each of what the burst before left."""
        before = sorted(self.truth)
        for folder in FOLDERS:
            for number in range(5):
                self.put(f"{folder}/{name}-{number}.txt", f"{folder} {name} {number}")
        if len(before) >= 3:
            self.put(before[0], f"changed by {name}")
            self.rename(before[1], f"{before[1]}-renamed.txt")
            self.delete(before[2])


@pytest.fixture
def office(
    environment: dict[str, str], empty_database_url: str, tmp_path: Path, owner_database_url: str
) -> dict[str, str]:
    """Settings of an office whose database is empty yet."""
    fresh = environment["IBHELM_DATABASE_URL"].rpartition("/")[0] + "/" + empty_database_url.rpartition("/")[2]
    return {**environment, "IBHELM_DATABASE_URL": fresh, "IBHELM_OWNER_DATABASE_URL": empty_database_url}


def _live(connection: psycopg.Connection) -> dict[str, str | None]:
    return dict(connection.execute("select path, content_hash from files where deleted_at is null").fetchall())


def _waiting(connection: psycopg.Connection) -> int:
    return connection.execute("select count(*) from ops.inbox where poisoned_at is null").fetchone()[0]


def _all_is_known(connection: psycopg.Connection, nas: Nas) -> bool:
    return _live(connection) == nas.truth and _waiting(connection) == 0


@pytest.mark.timeout(600)
def test_workers_of_the_landed_release_lose_nothing_while_the_schema_is_brought_up_to_date(
    office: dict[str, str], tmp_path: Path
) -> None:
    old = Release(_source_of(LANDED, tmp_path / "landed"), office, tmp_path)
    new = Release(REPOSITORY, office, tmp_path)
    nas = Nas(Path(office["IBHELM_NAS_ROOT"]))
    old.run("migrate")
    with ExitStack() as stack, psycopg.connect(office["IBHELM_OWNER_DATABASE_URL"], autocommit=True) as connection:
        watching = stack.enter_context(old.running("watch"))
        stack.enter_context(old.running("work"))
        assert wait_until(lambda: '"event": "watching"' in watching.read_text(), seconds=PATIENCE_SECONDS), tail(
            watching
        )
        nas.burst("before")
        assert wait_until(lambda: _all_is_known(connection, nas), seconds=PATIENCE_SECONDS)
        nas.burst("during")
        assert "Applied 0024" in new.run("migrate")  # while the old ones have something to do
        nas.burst("after")
        assert wait_until(lambda: _all_is_known(connection, nas), seconds=PATIENCE_SECONDS), (
            _live(connection).keys() ^ nas.truth
        )
        stack.enter_context(new.running("work"))  # beside the old one
        nas.burst("together")
        assert wait_until(lambda: _all_is_known(connection, nas), seconds=PATIENCE_SECONDS), (
            _live(connection).keys() ^ nas.truth
        )
        _nothing_was_doubled_or_given_up(connection, nas)


def _nothing_was_doubled_or_given_up(connection: psycopg.Connection, nas: Nas) -> None:
    assert connection.execute("select count(*) from ops.inbox where poisoned_at is not null").fetchone() == (0,)
    doubled = "select raw_path from files where deleted_at is null group by 1 having count(*) > 1"
    assert connection.execute(doubled).fetchall() == []
    open_versions = "select count(*), count(distinct file_id) from file_versions where valid_to is null"
    assert connection.execute(open_versions).fetchone() == (len(nas.truth), len(nas.truth))
    unstored = """select count(*) from files f left join ops.stored_objects o on o.content_hash = f.content_hash
                  where f.deleted_at is null and o.content_hash is null"""
    assert wait_until(lambda: connection.execute(unstored).fetchone() == (0,), seconds=PATIENCE_SECONDS)


def test_no_migration_of_this_release_takes_away_what_the_landed_one_uses() -> None:
    """The rule in words that a reader of SQL sees: nothing is dropped, renamed or retyped but functions and views."""
    listed = subprocess.run(
        ["git", "ls-tree", "--name-only", f"{LANDED}:sql/migrations"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip(f"this clone does not reach back to {LANDED}")
    landed = set(listed.stdout.split())
    taking = ("drop table", "drop column", "rename column", "rename to", " type ", "set not null")
    found = []
    for file in sorted((REPOSITORY / "sql" / "migrations").glob("*.sql")):
        if file.name not in landed:
            lines = file.read_text(encoding="utf-8").lower().splitlines()
            found += [
                f"{file.name}: {line.strip()}"
                for line in lines
                if line.lstrip().startswith("alter table") and any(word in line for word in taking)
            ]
            found += [f"{file.name}: {line.strip()}" for line in lines if line.lstrip().startswith("drop table")]
    assert found == []
