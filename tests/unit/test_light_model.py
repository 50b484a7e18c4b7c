"""Whatever is typed or read, the light model answers; its C code trusts its input."""

from __future__ import annotations

import subprocess
import sys
import unicodedata

import numpy as np

from ibhelm_pipelines.search.models import load_model

# Each sign that is written out as many others, many times over, then a random mix of all. In a process of its own: what
# this is about ends the process. (All 24,000 signs one by one take three minutes; they were tried.)
HOSTILE = r"""
import random, unicodedata
import numpy as np
from ibhelm_pipelines.search.models import load_model

model = load_model("light")
signs = [chr(c) for c in (*range(0x10000), *range(0x1D400, 0x1F700)) if not 0xD800 <= c < 0xE000]
long = [sign for sign in signs if len(unicodedata.normalize("NFKD", sign)) > 3]
mixed = random.Random(20_261_123)
texts = ["\ufdfa" * 60, "\ud800", "a\0b", "", "x" * 900, "a\u0301" * 300]
texts += ["".join(mixed.choices(signs, k=200)) for _ in range(2)]
assert model.count_tokens([sign * 40 for sign in long]) > len(long) > 100
vectors = np.array([*model.passages(texts), *(model.query(text) for text in texts)])
assert np.isfinite(vectors).all()
print("survived")
"""


def test_no_sign_of_unicode_ends_the_process() -> None:
    run = subprocess.run([sys.executable, "-c", HOSTILE], capture_output=True, text=True, check=False)
    assert (run.stdout, run.returncode) == ("survived\n", 0), run.stderr[-2000:]


def test_a_text_is_the_same_however_its_umlauts_are_spelt() -> None:
    text = "Die Lüftungsanlage der Küche wird geprüft."
    composed, parted = load_model("light").passages([text, unicodedata.normalize("NFD", text)])
    assert np.allclose(composed, parted)


def test_a_batch_gives_the_vectors_of_its_texts_in_order() -> None:
    model = load_model("light")
    texts = ["Lüfter", "Heizung im Keller " * 40, "Estrich"]
    assert np.allclose(model.passages(texts), [model.passages([text])[0] for text in texts])
    assert model.passages([]).shape == (0, model.dimensions)
