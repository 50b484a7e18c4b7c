"""What nobody knows about Missive for certain, as switches: each has every answer that the real service may give.

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
        labels_move_activity: whether a shared label that comes or goes moves `last_activity_at`.
        closing_moves_activity: the same for closing and reopening.
        assigning_moves_activity: the same for assignees.
        moving_moves_activity: the same for the team, the subject, trash and spam.
        drafts_move_activity: the same for drafts.
        task_changes_move_activity: the same for a change of a comment's task.
        merging_moves_activity: the same for merges.
        imports_move_activity: the same for old mail that is imported: it moves the conversation to now, or not at all.
        deletions_move_activity: what the deletion of a message or comment does: nothing, moves it to now, or back to
            what is newest then.
        conversations_limit: the largest `limit` of conversations.
        until_inclusive: whether `until` gives rows of that very second, too.
        all_has_trash_and_spam: whether `all`, teams and labels show what is in the trash or spam, too.
        trashed_messages_count: whether a single message in the trash is still listed and counted.
        messages_count_lags: whether `messages_count` still counts a deleted message until the next message comes.
        edits_move_updated_at: whether a message's `updated_at` tells that it was edited.
        mentions: how comments spell them: {id, index, length} or {user_id, offset, length}.
        bulk_ids: how many messages one request may ask for; more are refused with 400.
        bulk_missing: whether ids that are not there are left out of a bulk answer, or make it a 404.
        bulk_has_conversation: whether messages of a bulk answer name their conversation.
        single_message_as: whether one message is answered as an object or as a list of one.
        attachment_url_seconds: how long the address of an attachment is good.
        guest_conversations_readable: whether those that a list shows with two keys only can be read by themselves.
        merge_survivor: which id survives a merge: the one named as the target, the other, or one that nobody knew.
        empty_lists: how a row says that it has none of something.
        error_body: in which shape errors are told, but for the documented 401.
        rate_limit_headers: whether only refusals have them, as documented, or every answer.
        too_many_at_once: whether more than five requests at once are refused, or wait for their turn unnoticed.
        webhook_message_key: under which key a webhook has the message.
        webhook_signature_prefix: whether the signature begins with `sha256=`.
        webhook_validation: what is posted when a hook is made: an empty object, the rule alone, or nothing.
    """

    labels_move_activity: bool = False
    closing_moves_activity: bool = False
    assigning_moves_activity: bool = False
    moving_moves_activity: bool = False
    drafts_move_activity: bool = False
    task_changes_move_activity: bool = False
    merging_moves_activity: bool = True
    imports_move_activity: bool = False
    deletions_move_activity: Literal["no", "now", "back"] = "no"
    conversations_limit: Literal[50, 10] = 50
    until_inclusive: bool = True
    all_has_trash_and_spam: bool = False
    trashed_messages_count: bool = True
    messages_count_lags: bool = False
    edits_move_updated_at: bool = True
    mentions: Literal["id", "user_id"] = "id"
    bulk_ids: Literal[100, 50, 10] = 100
    bulk_missing: Literal["left_out", "not_found"] = "left_out"
    bulk_has_conversation: bool = True
    single_message_as: Literal["object", "array"] = "object"
    attachment_url_seconds: Literal[3600, 60, 604_800] = 3600
    guest_conversations_readable: bool = False
    merge_survivor: Literal["target", "other", "new"] = "target"
    empty_lists: Literal["list", "null", "missing"] = "list"
    error_body: Literal["error", "errors", "message"] = "error"
    rate_limit_headers: Literal["refusals", "always"] = "refusals"
    too_many_at_once: Literal["refused", "queued"] = "refused"
    webhook_message_key: Literal["message", "latest_message"] = "message"
    webhook_signature_prefix: bool = True
    webhook_validation: Literal["empty", "rule", "none"] = "empty"
