"""Which project folders are on the share now: the keys of the Dagster partitions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibhelm_pipelines.errors import ShareUnavailableError
from ibhelm_pipelines.nas.ignore import IgnoreRules
from ibhelm_pipelines.nas.names import display
from ibhelm_pipelines.nas.walk import Walker
from ibhelm_pipelines.share import LOOSE, Share

if TYPE_CHECKING:
    from ibhelm_pipelines.settings import Settings


def list_folders(settings: Settings) -> list[str]:
    """Return the keys of the project folders on the disk, `_loose` first.

    Raises:
        ShareUnavailableError: the share is not there, or a level above the project folders could not be read, so
        that the list would not be whole. ConfigurationError: no NAS root is set.
    """
    share = Share.open(settings)
    walker = Walker(share.root, IgnoreRules.from_settings(settings), folder_depth=settings.folder_depth)
    folders = sorted(walker.list_folders())
    share.check()
    if walker.log.unreadable:
        problem = walker.log.unreadable[0]
        raise ShareUnavailableError(
            f"The folder {display(problem.raw_path)} cannot be read ({problem.reason}),"
            " so the list of project folders is not whole.",
            next_step="Give the scanner's user the right to read it.",
        )
    return [LOOSE, *folders]
