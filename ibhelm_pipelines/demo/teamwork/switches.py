"""What nobody knows about Teamwork.com for certain, as switches: each has every answer that the real service may give.

A connector has to be right under all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ibhelm_pipelines.demo.vendor.switches import VendorSwitches


@dataclass(frozen=True, kw_only=True)
class Switches(VendorSwitches):
    """One combination of answers.

    Attributes:
        updated_after_inclusive: whether `updatedAfter` gives rows of that very second, too.
        updated_after_everywhere: whether task lists, people, companies and custom fields honour `updatedAfter`.
        deletion_moves_updated_at: whether deleting a row counts as a change of it.
        unlinking_moves_updated_at: whether deleting a tag or a team counts as a change of the tasks that had it.
        deleted_after_supported: whether `deletedAfter` is honoured or silently ignored.
        order_by_beyond_tasks: whether `orderBy` is honoured for anything but tasks.
        get_subtasks_default: whether lists of tasks have subtasks when nobody says `getSubTasks`.
        related_leave_out_completed: whether completed predecessors and subtasks have to be asked for on their own.
        deleted_rows_singly: what the address of a single deleted row answers.
        deleted_comments_listed: whether the list of comments has deleted ones without being asked.
        rows_of_deleted_projects: where tasks and other rows of a deleted project still answer.
        empty_lists: how a row says that it has none of something.
        zero_times: whether a time that is not there is the year 1, or null.
        dates_as: how dates without a time are written.
        included_rows_missing: whether some sideloaded rows are left out.
        rate_limit_headers: their spelling.
        rate_limit_reset: whether the reset header counts seconds from now or is a point in time.
        retry_after: whether a 429 has that header.
    """

    updated_after_inclusive: bool = True
    updated_after_everywhere: bool = False
    deletion_moves_updated_at: bool = True
    unlinking_moves_updated_at: bool = True
    deleted_after_supported: bool = True
    order_by_beyond_tasks: bool = True
    get_subtasks_default: bool = False
    related_leave_out_completed: bool = True
    deleted_rows_singly: Literal["not_found", "row"] = "not_found"
    deleted_comments_listed: bool = True
    rows_of_deleted_projects: Literal["singly", "gone", "listed"] = "singly"
    empty_lists: Literal["list", "null", "missing"] = "list"
    zero_times: bool = True
    dates_as: Literal["datetime", "date"] = "datetime"
    included_rows_missing: bool = False
    rate_limit_headers: Literal["X-Rate-Limit", "x-ratelimit"] = "X-Rate-Limit"
    rate_limit_reset: Literal["seconds", "epoch"] = "seconds"
    retry_after: bool = True
