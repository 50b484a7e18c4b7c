"""The URLs that watch the schedules from outside: requested after every good run, they give alarm when nothing comes.

A URL is a secret (whoever knows it can keep the watch quiet), so none is ever shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests
import structlog

from ibhelm_pipelines.errors import ConfigurationError, TransientError

if TYPE_CHECKING:
    from ibhelm_pipelines.settings import Settings

SCHEDULES = (
    *("quick_scan", "deep_scan", "teamwork_quick_sync", "teamwork_full_sync"),
    *("missive_quick_sync", "missive_full_sync", "register_update", "register_rebuild"),
    *("search_update", "search_rebuild", "embeddings_update", "daily_retention"),
    *("daily_backup", "weekly_restore_drill", "mirror_check", "daily_manifests"),
)
"""The schedules that there are (sensors/schedules.py)."""

TIMEOUT_SECONDS = 10

_EXAMPLE = "Write IBHELM_HEARTBEAT_URLS as `quick_scan=https://... deep_scan=https://...`"


def heartbeat_urls(settings: Settings) -> dict[str, str]:
    """Return the URL of each schedule that has one.

    Raises:
        ConfigurationError: the setting names no schedule of ours, or one twice, or no URL.
    """
    text = settings.heartbeat_urls.get_secret_value() if settings.heartbeat_urls else ""
    urls: dict[str, str] = {}
    for number, entry in enumerate(text.split(), start=1):
        schedule, _, url = entry.partition("=")
        if schedule not in SCHEDULES or schedule in urls or not url.startswith(("http://", "https://")):
            raise ConfigurationError(
                f"Entry number {number} of IBHELM_HEARTBEAT_URLS is not SCHEDULE=URL, or its schedule came before.",
                next_step=f"{_EXAMPLE}; the schedules are {', '.join(SCHEDULES)}.",
            )
        urls[schedule] = url
    return urls


def ping(settings: Settings, schedule: str) -> str:
    """Say that a run of this schedule went well; return a sentence about it.

    Raises:
        ConfigurationError: the setting cannot be used.
        TransientError: the URL did not answer, or not well.
    """
    url = heartbeat_urls(settings).get(schedule)
    if url is None:
        return f"No heartbeat URL is set for {schedule}."
    try:
        response = requests.get(url, timeout=TIMEOUT_SECONDS)
    except requests.RequestException as error:
        reason = type(error).__name__  # its text holds the URL
    else:
        reason = "" if response.ok else f"HTTP {response.status_code}"
    if not reason:
        return f"The heartbeat of {schedule} was sent."
    structlog.get_logger().warning("heartbeat_not_sent", schedule=schedule, reason=reason)
    raise TransientError(
        f"The heartbeat of {schedule} could not be sent: {reason}.",
        next_step="See whether this machine reaches the URL in IBHELM_HEARTBEAT_URLS; the next good run sends again.",
    )
