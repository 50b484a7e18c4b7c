"""An office whose admin has a mailbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from alert_office import Mailbox, open_mailbox
from pydantic import SecretStr

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibhelm_pipelines.settings import Settings


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with open_mailbox() as box:
        yield box


@pytest.fixture
def told(settings: Settings, mailbox: Mailbox) -> Settings:
    """Settings of an office whose admin is told."""
    return settings.model_copy(update={"alert_urls": SecretStr(mailbox.url)})
