"""Documents to be embedded, put straight into search.documents, and models that count what they are asked."""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from typing import TYPE_CHECKING

import numpy as np
import tables

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ibhelm_pipelines.search.models import Embedder, Vectors

NEWEST = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)

PROSE = "Die Lüftungsanlage im Neubau wird nach der Begehung am Montag eingestellt und danach vom Bauherrn abgenommen."


def key_of(title: str, body: str) -> uuid.UUID:
    """As search/composing.py makes it."""
    return uuid.UUID(bytes=hashlib.md5(f"{title}\0{body}".encode(), usedforsecurity=False).digest())


def add_document(url: str, title: str, body: str = PROSE, *, age_days: int = 0) -> uuid.UUID:
    """Add a document and return the key of its text."""
    key = key_of(title, body)
    tables.ask(
        url,
        "insert into search.documents (kind, item_id, title, body, names, words, text_key, occurred_at, digest)"
        " select 'file', coalesce(max(item_id), 0) + 1, %s, %s, '', '', %s, %s, %s from search.documents",
        *(title, body, key, NEWEST - dt.timedelta(days=age_days), key),
    )
    return key


class CountingModel:
    """A model of the tests: a vector by hash, at once; it counts what it reads and fails where it is told to."""

    def __init__(self, name: str, version: str = "1", *, dimensions: int = 8, fails_on: str | None = None) -> None:
        self.name, self.version, self.dimensions = name, version, dimensions
        self.fails_on = fails_on
        self.read: list[str] = []

    def passages(self, texts: Sequence[str]) -> Vectors:
        for text in texts:
            if self.fails_on is not None and self.fails_on in text:
                raise RuntimeError(f"no vector for {self.fails_on}")
        self.read += texts
        return np.array([self.query(text) for text in texts], dtype=np.float32).reshape(-1, self.dimensions)

    def query(self, text: str) -> Vectors:
        seed = int.from_bytes(hashlib.sha256(f"{self.name}{text}".encode()).digest()[:8])
        vector = np.random.default_rng(seed).normal(size=self.dimensions).astype(np.float32)
        return np.asarray(vector / np.linalg.norm(vector))

    def count_tokens(self, texts: Sequence[str]) -> int:
        return sum(len(text.split()) for text in texts)


def loader(*models: Embedder) -> Callable[[str], Embedder]:
    """Return what finds these models by their names."""
    return {model.name: model for model in models}.__getitem__


def vectors_are_whole(url: str) -> bool:
    """Whether each text that is said to have vectors has them all, and no other has any."""
    told = "select model_id, text_key, chunks from search.embedded_texts where state = 'ok'"
    found = "select model_id, text_key, count(*)::integer from search.chunks group by 1, 2"
    return tables.ask(url, f"({told} except {found}) union all ({found} except {told})") == []
