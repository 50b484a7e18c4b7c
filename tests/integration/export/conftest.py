"""One small office for all tests of exports: it takes longer to be made than to be exported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import export_office
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibhelm_pipelines.local.postgres import EmbeddedPostgres
    from ibhelm_pipelines.local.s3 import EmbeddedS3


@pytest.fixture(scope="session")
def office(
    postgres: EmbeddedPostgres, s3: EmbeddedS3, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[export_office.Office]:
    """The office; who changes it changes it back."""
    with export_office.opened(postgres, s3, tmp_path_factory.mktemp("office")) as opened:
        yield opened
