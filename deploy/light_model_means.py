"""Writes the means by which the light model is centred (search/centring.py). Run it when the sample or the model
changes, and raise the version there."""

from __future__ import annotations

import numpy as np

from ibhelm_pipelines.search import centring
from ibhelm_pipelines.search.light_model import MEANS, Weights


def computed() -> np.ndarray:
    """Return the means of the weights that are installed."""
    weights = Weights()
    return centring.means(weights.passages, weights.questions).astype(np.float32)


if __name__ == "__main__":
    np.save(MEANS, computed())
