"""Named SQL: each file `sql/queries/<room>.sql` holds statements under `-- name: <name>` lines.

SQL stays SQL, where editors and reviewers can read it; Python asks for a statement by name and gets the exact text.
"""

from __future__ import annotations

import re
from functools import cache
from typing import LiteralString, cast

from ibhelm_pipelines.packaged import packaged_path

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


@cache
def load_queries(room: str) -> dict[str, LiteralString]:
    """Return the statements of `sql/queries/<room>.sql` by name.

    Raises:
        ValueError: two statements carry the same name.
    """
    text = (packaged_path("sql") / "queries" / f"{room}.sql").read_text(encoding="utf-8")
    _, *parts = _NAME.split(text)
    names, bodies = parts[::2], parts[1::2]
    if len(set(names)) != len(names):
        raise ValueError(f"sql/queries/{room}.sql names a statement twice")
    return dict(zip(names, (cast("LiteralString", body.strip()) for body in bodies), strict=True))
