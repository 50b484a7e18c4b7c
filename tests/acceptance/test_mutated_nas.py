"""A realistic share from the shared generator, disturbed by its `mutate`: the tables say exactly what its lines say."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from nas_tree import Nas

from ibhelm_pipelines.nas.scan import scan
from ibhelm_pipelines.settings import Settings


@dataclass
class Expected:
    """Which file id must stand under which path. None: any new id."""

    ids: dict[str, int | None]
    known: set[int] = field(default_factory=set)
    gone: set[int] = field(default_factory=set)

    def apply(self, op: dict[str, Any]) -> None:
        path, to = unfold(op["path"]), unfold(op.get("to", ""))
        match op["op"]:
            case "rename" | "move":
                self.ids[to] = self.ids.pop(path)
            case "copy":
                self.ids[to] = None
            case "delete":
                self.gone |= {i for i in [self.ids.pop(path)] if i is not None}
            case "new":
                self.ids[path] = None
            case "rename_folder":
                for old in [p for p in self.ids if p.startswith(f"{path}/")]:
                    self.ids[to + old.removeprefix(path)] = self.ids.pop(old)


def unfold(path: str) -> str:
    import unicodedata

    return unicodedata.normalize("NFC", path)


def generator(corpus: Path, *arguments: object) -> list[dict[str, Any]]:
    command = [sys.executable, corpus.parent / "make_nas.py", *map(str, arguments)]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.parametrize("seed", [8, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(9, 40))])
def test_what_mutate_did_is_what_the_tables_say(
    settings: Settings, shared_corpus: Path, tmp_path: Path, seed: int
) -> None:
    nas = Nas(settings)
    generator(shared_corpus, "build", nas.root, "--files", 700, "--projects", 8)
    scan(settings)
    nas.assert_equals_disk()
    for batch in range(12):
        expected = Expected(dict(nas.rows("select path, id from files where deleted_at is null")))
        expected.known = {i for i in expected.ids.values() if i is not None}
        twins = len(expected.ids) != nas.one("select count(*) from files where deleted_at is null")
        assert not twins, "the generator made two names that differ only in Unicode form"
        for op in generator(shared_corpus, "mutate", nas.root, "--ops", 12, "--seed", seed * 100 + batch):
            expected.apply(op) if op["op"] != "restore" else restore(expected, nas, op)
        report = scan(settings)
        nas.assert_equals_disk()
        assert report.state == "complete"
        compare(nas, expected)


def restore(expected: Expected, nas: Nas, op: dict[str, Any]) -> None:
    """The path is back within the same batch: it is the file that stood there before."""
    path = unfold(op["path"])
    rows = nas.rows("select id from files where path = %s and deleted_at is null", path)
    expected.ids[path] = rows[0][0] if rows else None
    expected.gone -= {expected.ids[path] or 0}


def compare(nas: Nas, expected: Expected) -> None:
    actual = dict(nas.rows("select path, id from files where deleted_at is null"))
    assert actual.keys() == expected.ids.keys()
    for path, wanted in expected.ids.items():
        if wanted is not None:
            assert actual[path] == wanted, path
        elif actual[path] in expected.known:
            # A copy of which the original went away in the same batch is a move by content (design section 3).
            assert actual[path] in expected.gone, path
