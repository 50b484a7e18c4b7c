"""What a run of the embedding did, how fast, and how long the rest will take: in numbers, and in one sentence."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibhelm_pipelines.search.embedding_ledger import Embedded


@dataclass
class Pace:
    """How fast texts are worked on."""

    texts: int = 0
    seconds: float = 0

    def add(self, texts: int, seconds: float) -> None:
        """Add a batch."""
        self.texts += texts
        self.seconds += seconds

    @property
    def texts_per_second(self) -> float:
        return self.texts / self.seconds if self.seconds > 0 else 0.0

    def time_for(self, texts: int) -> str:
        """Say how long so many more will take, behind a comma; nothing where nobody can know."""
        if not texts or not self.texts:
            return ""
        hours = texts / self.texts_per_second / 3600
        if hours >= 1:
            return f", about {hours:,.0f} hours at this pace"
        minutes = hours * 60
        return f", about {minutes:.0f} minutes at this pace" if minutes >= 1.5 else ", about a minute at this pace"


@dataclass(kw_only=True)
class EmbeddingReport:
    """What was done.

    Attributes:
        model: name of the one that was embedded with.
        version: of it and of the chunking.
        texts: that got vectors.
        empty: texts of which nothing is worth a vector.
        failed: texts that the model could not read.
        reasons: how often each reason was given for these.
        chunks: vectors that were written.
        tokens: that the model read for them.
        busy: texts that another process was at.
        touched: by bucket how many texts were looked at.
        buckets: by first hex digit of the key how many texts there are, and how many nobody has looked at with this
            model yet; those of the run.
        is_serving: whether queries are answered by this model now.
        problem: what of the change of model does not work; empty where all is well.
        seconds: of the whole run.
        pace: of the work itself.
    """

    model: str
    version: str
    texts: int = 0
    empty: int = 0
    failed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    chunks: int = 0
    tokens: int = 0
    busy: int = 0
    buckets: dict[str, tuple[int, int]] = field(default_factory=dict)
    touched: Counter[str] = field(default_factory=Counter)
    is_serving: bool = False
    problem: str = ""
    seconds: float = 0
    pace: Pace = field(default_factory=Pace)

    def add(self, results: Sequence[Embedded], tokens: int) -> None:
        """Add a batch."""
        states = Counter(result.state for result in results)
        self.texts += states["ok"]
        self.empty += states["empty"]
        self.failed += states["failed"]
        self.reasons.update(result.reason or "" for result in results if result.state == "failed")
        self.chunks += sum(len(result.chunks) for result in results)
        self.tokens += tokens
        self.touched.update(str(result.key)[0] for result in results)

    @property
    def texts_in_all(self) -> int:
        return sum(texts for texts, _ in self.buckets.values())

    @property
    def left(self) -> int:
        return sum(left for _, left in self.buckets.values())

    @property
    def chunks_per_second(self) -> float:
        return self.chunks / self.pace.seconds if self.pace.seconds else 0.0

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.pace.seconds if self.pace.seconds else 0.0

    @property
    def sentence(self) -> str:
        """How far it is, for the admin."""
        done = self.texts_in_all - self.left
        rest = f", {self.left:,} left{self.pace.time_for(self.left)}" if self.left else ""
        return f"{done:,} of {self.texts_in_all:,} texts{rest}"
