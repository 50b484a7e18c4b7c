"""What the vectors of all questions have in common is taken out of each, and what is left still has length 1."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np

from ibhelm_pipelines.search.centring import centred
from ibhelm_pipelines.search.light_model import MEAN, LightModel

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "light_model_mean.py"


def test_the_mean_that_is_shipped_is_that_of_the_sample_and_the_weights() -> None:
    computed = runpy.run_path(str(SCRIPT))["computed"]()
    assert np.abs(computed - np.load(MEAN)).max() < 1e-3, "run deploy/light_model_mean.py"


def test_a_centred_question_has_length_one_and_nothing_blown_up() -> None:
    mean = np.full(16, 0.25, dtype=np.float32)
    question = mean + np.eye(16, dtype=np.float32)[3]
    assert np.allclose(centred(question, mean), np.eye(16)[3], atol=1e-6)
    assert np.linalg.norm(centred(mean, mean)) == 0


def test_a_question_is_near_to_its_answer_alone_and_no_longer_to_every_passage() -> None:
    model = LightModel()
    answer, other = model.passages(
        [
            "Protokoll\nDer Ventilator in der Küche ist defekt und muss ausgetauscht werden.",
            "Protokoll\nDas Parkett im Wohnzimmer ist verlegt und versiegelt worden.",
        ]
    )
    bare, question = model.raw_question("Lüfter funktioniert nicht"), model.query("Lüfter funktioniert nicht")
    assert float(bare @ other) > 0.9 * float(bare @ answer)
    assert abs(float(question @ other)) < 0.5 * float(question @ answer)
