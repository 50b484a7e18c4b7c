"""The code version of the assets that tools make: another one as soon as one tool of one family is.

Dagster then calls each folder outdated that was last told of with an older one, in its UI and wherever it is asked.
Which contents that are, and how many of which family, says the check `..._outdated`; the next scan makes them anew.
What is installed beside Python (LibreOffice) is no part of it: the check counts that too.
"""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_TAG,
    DEFAULT_DATA_VERSION,
    NULL_EVENT_POINTER,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)

from ibhelm_pipelines.content.families import FAMILIES, STORE_VERSION, tool_for

if TYPE_CHECKING:
    from ibhelm_pipelines.content.families import Tool
    from ibhelm_pipelines.content.outcome import Step

__all__ = ["DATA_VERSION_TAG", "code_version", "provenance"]

SOURCE = dg.AssetKey("nas_files")


def code_version(step: Step) -> str:
    """Return the version of all tools of a step, short."""
    if step == "store":
        return STORE_VERSION
    tools = (f"{family} {_described(tool_for(family, step))}" for family in FAMILIES)
    return hashlib.sha256("\n".join(tools).encode()).hexdigest()[:12]


def provenance(step: Step) -> dict[str, str]:
    """Return the tags of an event that say which tools made what it tells of.

    Of events that no asset of Dagster's computed it knows nothing by itself, and would call none of them outdated.
    That a newer scan of the folder was told of makes none of them so: a step is due by its contents, not by events.
    """
    return {
        CODE_VERSION_TAG: code_version(step),
        DATA_VERSION_TAG: code_version(step),
        get_input_data_version_tag(SOURCE): DEFAULT_DATA_VERSION.value,
        get_input_event_pointer_tag(SOURCE): NULL_EVENT_POINTER,
    }


def _described(tool: Tool) -> str:
    libraries = (f"{name}-{version(name)}" for name in tool.libraries)
    made_by = " ".join((f"{tool.reader}/{tool.revision}", *libraries))
    if tool.converter is None:
        return made_by
    return f"{tool.converter} {made_by}" + (f" or {_described(tool.otherwise)}" if tool.otherwise else "")
