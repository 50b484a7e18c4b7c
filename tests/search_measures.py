"""How good a ranking is: nDCG and recall, against what is known to be relevant.

- nDCG@k: gain 2^grade - 1, discounted by log2(place + 1), as a share of the best ranking that there could be;
- recall@k: so many of the relevant ones are among the first k; where there are more than k, of k.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence


def ndcg(ranked: Sequence[Hashable], grades: Mapping[Hashable, int], k: int = 10) -> float:
    """Return nDCG@k of a ranking; `grades` has what is relevant, and nothing else."""
    best = _discounted(sorted(grades.values(), reverse=True)[:k])
    return _discounted(grades.get(each, 0) for each in ranked[:k]) / best


def recall(ranked: Sequence[Hashable], grades: Mapping[Hashable, int], k: int = 20) -> float:
    """Return recall@k of a ranking."""
    return len(set(ranked[:k]) & set(grades)) / min(k, len(grades))


def _discounted(grades: Iterable[int]) -> float:
    return sum((2**grade - 1) / math.log2(place + 1) for place, grade in enumerate(grades, 1))
