"""What each family of errors makes of a step: tried again, over at once, or a bug that shows itself."""

from __future__ import annotations

import dagster as dg
import pytest

from ibhelm_pipelines.errors import (
    ConfigurationError,
    IbhelmError,
    PermanentError,
    ShareUnavailableError,
    SuspectFileError,
)
from resources.failures import MAX_RETRIES, dagster_failures


def _fail(error: Exception, *, retry_number: int = 0) -> None:
    with dagster_failures(retry_number=retry_number, first_pause_seconds=15):
        raise error


@pytest.mark.parametrize(("retry_number", "pause"), [(0, 15), (1, 60), (2, 240)])
def test_a_transient_error_is_tried_again_after_a_growing_pause(retry_number: int, pause: int) -> None:
    with pytest.raises(dg.RetryRequested) as raised:
        _fail(ShareUnavailableError("The share is gone."), retry_number=retry_number)
    assert raised.value.seconds_to_wait == pause
    assert raised.value.max_retries == MAX_RETRIES


def test_a_transient_error_ends_the_step_with_its_own_sentence_when_all_tries_are_used() -> None:
    with pytest.raises(dg.Failure) as raised:
        _fail(ShareUnavailableError("The share is gone.", next_step="Mount it."), retry_number=MAX_RETRIES)
    assert raised.value.description == "Tried 4 times. The share is gone. Mount it."
    assert raised.value.allow_retries is False


@pytest.mark.parametrize("kind", [PermanentError, ConfigurationError, SuspectFileError, IbhelmError])
def test_any_other_error_of_ours_ends_the_step_at_once_and_says_what_to_do(kind: type[IbhelmError]) -> None:
    with pytest.raises(dg.Failure) as raised:
        _fail(kind("No NAS folder is set.", next_step="Set IBHELM_NAS_ROOT."))
    assert raised.value.allow_retries is False
    assert raised.value.metadata["what to do"].value == "Set IBHELM_NAS_ROOT."


def test_a_mistake_in_our_code_is_not_dressed_up() -> None:
    with pytest.raises(ZeroDivisionError):
        _fail(ZeroDivisionError())
