"""Writes the mean by which the light model is centred (search/centring.py). Run it when the sample or the model
changes; no vector of a document depends on it.
"""

from __future__ import annotations

import numpy as np

from ibhelm_pipelines.search.centring import QUESTIONS
from ibhelm_pipelines.search.light_model import MEAN, LightModel


def computed() -> np.ndarray:
    """Return the mean of the weights that are installed."""
    if not MEAN.exists():
        np.save(MEAN, np.zeros(1, dtype=np.float32))
    model = LightModel()
    return np.mean([model.raw_question(question) for question in QUESTIONS], axis=0, dtype=np.float32)


if __name__ == "__main__":
    np.save(MEAN, computed())
