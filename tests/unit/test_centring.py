"""What all vectors have in common is taken out of them, and what is left still has length 1."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np

from ibhelm_pipelines.search.centring import Centre
from ibhelm_pipelines.search.light_model import MEANS, LightModel, Weights

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "light_model_means.py"


def test_the_means_that_are_shipped_are_those_of_the_sample_and_the_weights() -> None:
    computed = runpy.run_path(str(SCRIPT))["computed"]()
    assert np.abs(computed - np.load(MEANS)).max() < 1e-3, "run deploy/light_model_means.py and raise centring.VERSION"


def test_centred_vectors_have_length_one_and_nothing_of_the_mean() -> None:
    generator = np.random.default_rng(20_261_123)
    common = np.ones(16, dtype=np.float32)
    vectors = common + generator.normal(size=(500, 16)).astype(np.float32) * 0.1
    centred = Centre(np.stack([vectors.mean(axis=0), common])).passages(vectors)
    assert np.allclose(np.linalg.norm(centred, axis=1), 1, atol=1e-5)
    assert np.linalg.norm(centred.mean(axis=0)) < 0.1 < 0.9 < float((vectors @ vectors.T).mean())
    assert np.isfinite(Centre(np.stack([common, common])).questions(common)).all()


def test_unrelated_texts_are_no_longer_near_each_other() -> None:
    fan, floor = "Der Ventilator der Küche ist defekt.", "Das Parkett im Wohnzimmer ist verlegt."
    bare, model = Weights().passages([fan, floor]), LightModel().passages([fan, floor])
    assert float(bare[0] @ bare[1]) > 0.75
    assert float(model[0] @ model[1]) < 0.5
