"""Vectors of the light model, kept in the user's cache by what they are made of: to make them takes most of the time
that the measurement of the search takes. A clean machine makes them all; what is kept is what the model gave."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ibhelm_pipelines.search.light_model import LightModel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ibhelm_pipelines.search.models import Vectors

FOLDER = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ibhelm-tests"


@contextmanager
def kept_vectors(folder: Path = FOLDER) -> Iterator[None]:
    """Take the vectors of passages from the cache, as far as they are there, for the length of the block."""
    folder.mkdir(parents=True, exist_ok=True)
    made = LightModel.passages

    def passages(self: LightModel, texts: Sequence[str]) -> Vectors:
        with closing(sqlite3.connect(folder / "vectors.sqlite", timeout=60)) as connection, connection:
            connection.execute("create table if not exists vectors (key text primary key, vector blob) without rowid")
            return np.array([_vector(connection, self, text) for text in texts], np.float32)

    def _vector(connection: sqlite3.Connection, model: LightModel, text: str) -> Vectors:
        key = hashlib.sha256(f"{model.version}\0{text}".encode()).hexdigest()
        if row := connection.execute("select vector from vectors where key = ?", [key]).fetchone():
            return np.frombuffer(row[0], np.float32)
        vector = made(model, [text])[0]
        connection.execute("insert or ignore into vectors values (?, ?)", [key, vector.tobytes()])
        return vector

    LightModel.passages = passages  # type: ignore[method-assign]
    try:
        yield
    finally:
        LightModel.passages = made  # type: ignore[method-assign]
