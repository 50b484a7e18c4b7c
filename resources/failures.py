"""What an error of ours means to Dagster: the only place that decides whether a step is tried again.

TransientError          tried again, at most 3 times, with growing pauses; then it fails with its own sentence
any other IbhelmError   fails at once: the same input would fail again, and a loop would only hide it
anything else           a mistake in our code: fails at once, with its traceback

Dagster stores and shows what an error says, so an error that quotes a secret is replaced by one that does not.
"""

from __future__ import annotations

import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING

import dagster as dg

from ibhelm_pipelines.errors import IbhelmError, TransientError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibhelm_pipelines.redaction import Redactor

MAX_RETRIES = 3
PAUSE_FACTOR = 4
"""With the default first pause: 15 s, 1 min, 4 min.
Long enough for a restart of Postgres or S3, and over before the next quick scan."""


@contextmanager
def dagster_failures(*, retry_number: int, first_pause_seconds: float) -> Iterator[None]:
    """Turn the errors of the platform into what Dagster acts on.

    Args:
        retry_number: how often this step was tried before.
        first_pause_seconds: pause before the first retry; each next one is four times as long.

    Raises:
        RetryRequested: the world was not ready.
        Failure: the step is over, and the description says what to do.
    """
    try:
        yield
    except TransientError as error:
        if retry_number >= MAX_RETRIES:
            raise _failure(error, tried=f"Tried {retry_number + 1} times. ") from error
        pause = first_pause_seconds * PAUSE_FACTOR**retry_number
        raise dg.RetryRequested(max_retries=MAX_RETRIES, seconds_to_wait=pause) from error
    except IbhelmError as error:
        raise _failure(error) from error


@contextmanager
def without_secrets(redactor: Redactor) -> Iterator[None]:
    """Let errors pass that quote neither secrets nor rows of a table; of others, raise the same without them.

    Raises:
        IbhelmError: of the kind that it was.
        Failure: instead of anything else; its traceback is in the metadata.
    """
    try:
        yield
    except Exception as error:
        told = "".join(traceback.format_exception(error))
        clean = redactor.text(told)
        if clean == told:
            raise
        if isinstance(error, IbhelmError):
            raise type(error)(redactor.text(error.problem), next_step=redactor.text(error.next_step)) from None
        summary = redactor.text("".join(traceback.format_exception_only(error))).strip()
        raise dg.Failure(description=summary, metadata={"traceback": clean}, allow_retries=False) from None


def _failure(error: IbhelmError, *, tried: str = "") -> dg.Failure:
    return dg.Failure(
        description=f"{tried}{error}",
        metadata={"problem": error.problem, "what to do": error.next_step or "See the log of this run."},
        allow_retries=False,
    )
