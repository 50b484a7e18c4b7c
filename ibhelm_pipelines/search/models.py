"""Embedding models: what the rest of the search asks of one, and how one is found by its name.

`light` is in the installation and needs nothing else; every other name is one of sentence-transformers, or a folder.
Nothing is ever fetched from a hub here: a server that may not reach one would wait for it, and one that may would
change its model unasked. A loaded model stays for the life of the process; all threads share it.
"""

from __future__ import annotations

import os
import threading
from functools import cache
from typing import TYPE_CHECKING, Protocol

from ibhelm_pipelines.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]

# Threads of OpenMP burn a core each while they wait for the next text, unless they are told not to: on a busy machine a
# question then takes 2.9 s instead of 0.09 s (measured). Read when the libraries behind the models are loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

LIGHT = "light"
"""Name of the model that is in the installation."""

_loading = threading.Lock()


class Embedder(Protocol):
    """A model that turns texts into vectors of length 1; any number of threads may use one."""

    @property
    def name(self) -> str:
        """As IBHELM_EMBEDDING_MODEL names it."""

    @property
    def version(self) -> str:
        """Of its weights and of what it puts before a text: vectors of two versions cannot be compared."""

    @property
    def dimensions(self) -> int:
        """Of its vectors."""

    def passages(self, texts: Sequence[str]) -> Vectors:
        """Return a row for each text that is to be found."""

    def query(self, text: str) -> Vectors:
        """Return the vector of what is looked for."""

    def count_tokens(self, texts: Sequence[str]) -> int:
        """Return how many tokens the model reads for these texts."""


def load_model(name: str) -> Embedder:
    """Return the model of this name; the second call finds it loaded.

    Raises:
        ConfigurationError: it is not on this machine, or cannot be loaded.
    """
    with _loading:  # two threads that ask at once load it once
        return _load(name)


def embedder_named(name: str, version: str, *, load: Callable[[str], Embedder] = load_model) -> Embedder:
    """Return the model that made the vectors of a row of search.models.

    Args:
        name: of the row.
        version: of the row.
        load: finds a model by its name.

    Raises:
        ConfigurationError: it cannot be loaded, or is another one by now: its vectors cannot be compared with those.
    """
    embedder = load(name)
    if embedder.version != version.rpartition("/")[0]:
        raise ConfigurationError(
            f"The embedding model {name} on this machine is {embedder.version}, and the vectors are from {version}.",
            next_step="Run the job `embeddings`: it makes the vectors anew. Until then words are searched only.",
        )
    return embedder


@cache
def _load(name: str) -> Embedder:
    if name == LIGHT:
        from ibhelm_pipelines.search.light_model import LightModel  # noqa: PLC0415 - only who embeds loads the weights

        return LightModel()
    from ibhelm_pipelines.search.transformer_model import TransformerModel  # noqa: PLC0415 - takes seconds and 1 GB

    return TransformerModel(name)
