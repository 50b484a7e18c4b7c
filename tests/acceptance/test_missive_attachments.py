"""A whole mailbox with attachments, some of them on the NAS already, and a host that fails in every way it can: in the
end each attachment has its bytes, none twice, none half, and the scanner finds nothing new."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from missive_office import connected
from nas_tree import Nas

from ibhelm_pipelines.demo.missive.faults import MissiveFaults
from ibhelm_pipelines.demo.missive.server import MissiveSimulator
from ibhelm_pipelines.demo.office import generate_office
from ibhelm_pipelines.errors import VendorUnavailableError
from ibhelm_pipelines.live.attachments import save_attachments
from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.settings import Settings
from ibhelm_pipelines.vendors.missive.sync import sync

SEED = 7
FAULTS = MissiveFaults(
    attachment_expired=0.1,
    attachment_server_error=0.05,
    attachment_cut=0.05,
    attachment_reset=0.05,
    attachment_wrong_size=0.05,
)


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    root = tmp_path / "office"
    generate_office(root, files=80, projects=6, seed=SEED)
    (root / ".ibhelm-share").touch()
    return settings.model_copy(update={"nas_root": root, "attachment_inbox": "on"})


@pytest.fixture
def missive(settings: Settings) -> Iterator[MissiveSimulator]:
    with MissiveSimulator(
        seed=SEED, projects=6, conversations=40, malformed=True, files=settings.nas_root, rate_limit=False
    ) as missive:
        yield missive


def save_until_done(settings: Settings, nas: Nas) -> None:
    for _ in range(60):
        nas.rows("update ops.attachment_attempts set next_try_at = now() where not permanent")
        try:
            report = save_attachments(settings)
        except VendorUnavailableError:
            continue
        if report.waiting == nas.one("select count(*) from ops.attachment_attempts where reason like '%%no address%%'"):
            return


def expected(missive: MissiveSimulator, nas: Nas) -> dict[str, str]:
    """SHA-256 by id of all that can be fetched and that no rule leaves out."""
    skipped = {each for (each,) in nas.rows("select missive_id from email_attachments where skip_reason is not null")}
    live = {each for (each,) in nas.rows("select missive_id from email_attachments where deleted_at is null")}
    truth = missive.truth()
    rows = [each for row in truth["messages"] for each in row["attachments"]]
    rows += [row["attachment"] for row in truth["comments"] if row["attachment"]]
    return {row["id"]: row["sha256"] for row in rows if row["has_url"] and row["id"] in live - skipped}


def linked(nas: Nas) -> dict[str, str]:
    query = """select a.missive_id, a.content_hash, f.raw_path from email_attachments a
        join files f on f.id = a.file_id and f.deleted_at is null where a.content_hash is not null"""
    rows: list[tuple[Any, ...]] = nas.rows(query)
    for _, digest, raw_path in rows:
        assert hashlib.sha256(nas.path(raw_path).read_bytes()).hexdigest() == digest
    return {number: digest for number, digest, _ in rows}


def test_every_attachment_of_a_mailbox_has_its_bytes_once_and_the_scan_finds_nothing_new(
    settings: Settings, missive: MissiveSimulator
) -> None:
    nas = Nas(settings)
    scan(settings)
    settings = connected(settings, missive, attachment_inbox="on")
    sync(settings)
    before = set(nas.on_disk())
    missive.faults = FAULTS

    save_until_done(settings, nas)

    wanted = expected(missive, nas)
    assert len(wanted) > 30
    assert linked(nas) == wanted
    written = {raw: digest for raw, (_, _, digest) in nas.on_disk().items() if raw not in before}
    assert len(written) == len(set(written.values())), "no bytes twice"
    held = {digest for raw, (_, _, digest) in nas.on_disk().items() if raw in before}
    assert held.isdisjoint(written.values()), "nor what was there before"
    assert held & set(wanted.values()), "of which there was some"
    assert all(b"IBH-INBOX" in raw.split(b"/") for raw in written)
    assert before <= set(nas.on_disk())
    assert not list(nas.root.rglob(".ibhelm-*.partial"))
    total = scan(settings).total
    assert (total.new, total.changed, total.moved, total.deleted, total.restored) == (0,) * 5
    nas.assert_equals_disk()
    assert missive.requests.attachments_with_token == 0


def test_a_mail_that_is_deleted_and_comes_back_keeps_its_files(settings: Settings, missive: MissiveSimulator) -> None:
    nas = Nas(settings)
    scan(settings)
    settings = connected(settings, missive, attachment_inbox="on")
    sync(settings)
    save_until_done(settings, nas)
    before = nas.rows("select missive_id, id, content_hash, file_id, saved_at from email_attachments order by id")
    downloads = missive.requests.attachments.total

    nas.rows("update emails set deleted_at = now()")
    nas.rows("update email_attachments set deleted_at = now()")
    nas.rows("update ops.conversation_reads set due_at = now()")
    assert save_attachments(settings).seen == 0
    sync(settings, full=True)
    save_attachments(settings)

    assert nas.one("select count(*) from email_attachments where deleted_at is null") > 30, "they are back"
    assert (
        nas.rows("select missive_id, id, content_hash, file_id, saved_at from email_attachments order by id") == before
    )
    assert missive.requests.attachments.total == downloads
