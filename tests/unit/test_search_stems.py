"""Stems of words: the same whoever asks, and however many at once."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import TYPE_CHECKING

import pytest

from ibhelm_pipelines.search.stems import stem

if TYPE_CHECKING:
    from collections.abc import Iterator

WORDS = ["".join(parts) for parts in product("bdfgklmnprst", ("a", "ei", "ü", "y"), "bdlmnrt", ("ungen", "lich", "es"))]


@pytest.fixture
def impatient_threads() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("impatient_threads")
def test_threads_that_stem_at_once_do_not_disturb_each_other() -> None:
    alone = [stem.__wrapped__(word) for word in WORDS]
    with ThreadPoolExecutor(8) as threads:
        for together in threads.map(lambda _: [stem.__wrapped__(word) for word in WORDS], range(16)):
            assert together == alone
