"""kill -9 of a run that brings attachments to the NAS, between any two of its statements and within a download: no half
file under a real name, nothing twice, and the next run does the rest and cleans up."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest
from database_snapshot import Snapshot, snapshot
from killed_child import run_in_child
from mailed_attachments import PROJECT, MailedAttachments

from ibhelm_pipelines.local.postgres import EmbeddedPostgres
from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.settings import Settings

SEED = 20_261_123
POINTS_IN_CI = 4

KNOWN = b"a plan that is on the NAS"
BODIES = {
    "m.0": b"one" * 1000,
    "m.1": b"two",
    "m.2": b"one" * 1000,
    "m.3": b"",
    "n.0": KNOWN,
    "n.1": b"two",
    "n.2": b"three",
}


class Attempts:
    """The same mails, brought to the same NAS from the beginning, as often as one likes."""

    def __init__(self, desk: MailedAttachments, before: Snapshot) -> None:
        self.desk, self._before = desk, before

    def begin(self) -> None:
        for folder in list(self.desk.nas.root.rglob("IBH-INBOX")):
            for path in sorted(folder.rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
            folder.rmdir()
        self._before.restore()

    def kill(self, point: int) -> None:
        """Kill before a statement; then look whether all that anybody can see is whole."""
        run_in_child(self.desk.save, die_at=point)
        self.assert_harmless()

    def assert_harmless(self) -> None:
        for path, data in self.desk.written().items():
            assert data in BODIES.values() or path.endswith(".partial"), path
        self.desk.nas.assert_sound()
        total = scan(self.desk.settings).total
        assert (total.changed, total.moved, total.deleted) == (0, 0, 0)

    def finish(self) -> list[str]:
        statements = run_in_child(self.desk.save, die_at=None)
        assert statements is not None
        self.desk.assert_linked(*(number for (number,) in self.desk.nas.rows("select id from email_attachments")))
        assert sorted(self.desk.written().values()) == sorted({*BODIES.values()} - {KNOWN})
        total = scan(self.desk.settings).total
        assert (total.new, total.changed, total.moved, total.deleted, total.restored) == (0,) * 5
        self.desk.nas.assert_equals_disk()
        return statements


@pytest.fixture
def attempts(settings: Settings, postgres: EmbeddedPostgres, database_url: str) -> Iterator[Attempts]:
    with MailedAttachments(settings) as desk:
        desk.project()
        desk.nas.write(f"{PROJECT}/03_Planung/Plan.pdf", KNOWN)
        scan(desk.settings)
        for mail in ("m", "n"):
            bodies = [
                (f"Plan {i % 2}.pdf", data) for i, (number, data) in enumerate(BODIES.items()) if number[0] == mail
            ]
            desk.mail(mail, *bodies)
        desk.nas.rows("delete from attachment_skip_rules")
        desk.disconnect()
        with snapshot(postgres, database_url) as before:
            yield Attempts(desk, before)


def test_a_run_that_is_killed_leaves_nothing_half_and_the_next_one_does_the_rest(attempts: Attempts) -> None:
    attempts.begin()
    statements = attempts.finish()
    sql = [i for i, each in enumerate(statements, 1) if "set raw_path" in each or "set raw_inbox_path" in each]
    chosen = {sql[0], sql[1], *random.Random(SEED).sample(range(1, len(statements) + 1), POINTS_IN_CI)}
    for point in sorted(chosen):
        attempts.begin()
        attempts.kill(point)
        attempts.finish()


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_run_that_is_killed_at_every_statement_and_twice_in_a_row(attempts: Attempts) -> None:
    attempts.begin()
    statements = len(attempts.finish())
    dice = random.Random(SEED)
    for point in range(1, statements + 1):
        attempts.begin()
        attempts.kill(point)
        if point % 3 == 0:
            attempts.kill(dice.randint(1, statements))
        attempts.finish()


def test_a_run_that_is_killed_within_a_download_leaves_a_file_that_scans_leave_out_and_the_next_one_removes(
    attempts: Attempts,
) -> None:
    attempts.begin()
    desk, children = attempts.desk, []

    def die(handler: BaseHTTPRequestHandler, data: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data[:1500])
        handler.wfile.flush()
        while not list(desk.nas.root.rglob("*.partial")):
            pass
        os.kill(children[0], signal.SIGKILL)

    desk.failing("m.0", die)
    assert run_in_child(desk.save, die_at=None, begun=children.append) is None
    assert [path for path in desk.written() if not path.endswith(".partial")] == []
    assert len(desk.written()) == 1
    attempts.assert_harmless()
    attempts.finish()


def test_what_was_brought_to_its_place_is_not_fetched_again(attempts: Attempts) -> None:
    attempts.begin()
    statements = attempts.finish()
    placed = next(i for i, each in enumerate(statements, 1) if "set raw_inbox_path" in each)
    attempts.begin()
    run_in_child(attempts.desk.save, die_at=placed)
    before = attempts.desk.downloads().count("m.0")
    attempts.finish()
    assert attempts.desk.downloads().count("m.0") == before
