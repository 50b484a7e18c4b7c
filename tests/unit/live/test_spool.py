"""The spool gives back what was kept, or says "everything"; it never ends the watcher."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ibhelm_pipelines.db.live import InboxItem
from ibhelm_pipelines.errors import ConfigurationError
from ibhelm_pipelines.live.pending import whole_share
from ibhelm_pipelines.live.spool import MAX_ITEMS, Backlog, Spool


def item(key: bytes, *, kind: str = "path", events: int = 1) -> InboxItem:
    return InboxItem(source="nas", kind=kind, key=key, label=repr(key), folder="p/A", weight=7, events=events)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path)


def test_what_is_kept_comes_back_byte_by_byte(spool: Spool, tmp_path: Path) -> None:
    items = [item(bytes(range(1, 256))), item("p/Lüftung\n".encode(), kind="directory", events=9), whole_share()]
    spool.save(items)
    assert Spool(tmp_path).load() == items
    assert spool.path.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in spool.path.parent.iterdir()] == ["spool"]


def test_a_row_of_the_spool_is_an_item(spool: Spool) -> None:
    spool.path.write_bytes(row(label="A\nB"))
    assert [(item.key, item.label) for item in spool.load()] == [(b"\0", "A\nB")]


def test_nothing_kept_is_nothing(spool: Spool) -> None:
    assert spool.load() == []
    spool.save([item(b"x")])
    spool.forget()
    spool.forget()
    assert spool.load() == []


def row(**broken: object) -> bytes:
    good = {"source": "nas", "kind": "path", "key": "00", "label": "", "folder": None, "weight": 0, "events": 1}
    return json.dumps({"format": 1, "items": [good | broken]}).encode()


BROKEN = [
    b"",
    b"{",
    b"[]",
    b'{"format": 2, "items": []}',
    row(key="zz"),
    row(kind="other"),
    row(label="\0"),
    row(folder="\0"),
    row(events=0),
    row(events=1 << 31),
    row(weight=-1),
    row(weight=1 << 63),
    row(source="content"),
    b"\xff\xfe",
    b"[" * 200_000,
]


@pytest.mark.parametrize("content", BROKEN)
def test_a_broken_spool_asks_for_everything_and_says_so(
    spool: Spool, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    spool.path.write_bytes(content)
    assert spool.load() == [whole_share()]
    assert "spool_broken" in capsys.readouterr().out


@given(st.binary(max_size=200))
@hypothesis_settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_content_of_the_spool_ends_the_watcher(spool: Spool, content: bytes) -> None:
    spool.path.write_bytes(content)
    assert spool.load() == [whole_share()]


def test_a_folder_that_cannot_be_made_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "watch").write_text("a file")
    with pytest.raises(ConfigurationError, match="cannot be made"):
        Spool(tmp_path)


def test_the_backlog_holds_each_thing_once_and_counts_its_events() -> None:
    backlog = Backlog()
    backlog.add([item(b"x"), item(b"y"), item(b"x", events=2), item(b"x", kind="directory")])
    assert sorted((i.kind, i.key, i.events) for i in backlog.items()) == [
        ("directory", b"x", 1),
        ("path", b"x", 3),
        ("path", b"y", 1),
    ]


def test_beyond_its_bound_the_backlog_says_everything() -> None:
    backlog = Backlog()
    backlog.add(item(b"%d" % number) for number in range(MAX_ITEMS + 1))
    [share] = backlog.items()
    assert (share.kind, share.key, share.events) == ("share", b"share", MAX_ITEMS + 1)
    backlog.add([item(b"later")])
    assert len(backlog) == 2
