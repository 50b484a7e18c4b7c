-- The live lane: inbox and outbox (ibhelm_pipelines/db/live.py).

-- name: enqueue
insert into ops.inbox as i (source, kind, key, label, folder, weight, events) values (%s, %s, %s, %s, %s, %s, %s)
on conflict (source, kind, sha256(key)) do update
set events = i.events + excluded.events, last_event_at = now(), label = excluded.label, folder = excluded.folder, weight = excluded.weight,
    attempts = 0, due_at = least(i.due_at, now()), error = null, poisoned_at = null

-- name: wake_workers
select pg_notify(%s, %s)

-- name: tell
insert into ops.outbox (asset, folder, counts) values (%s, %s, %s)

-- name: with_attachments
-- Which of these conversations of Missive have attachments that are to be fetched, or judged by the rules.
select distinct r.missive_conversation_id
from ops.attachments_in_reach r join public.email_attachments a using (id)
where r.missive_conversation_id = any(%(ids)s) and a.content_hash is null and a.skip_reason is null

-- name: months_of
-- By the month of their last activity, as the assets are; without a month where that is not known.
select missive_id, coalesce(to_char(date_trunc('month', last_activity_at at time zone 'utc'), 'YYYY-MM-01'), '')
from public.conversations where missive_id = any(%(ids)s)

-- name: files_with_contents
select id from public.files where content_hash = any(%(hashes)s) and deleted_at is null

-- name: files_of_folder
select id from public.files where folder = %(folder)s and deleted_at is null

-- name: tasks_named
select id from public.tasks where teamwork_id = any(%(ids)s) and deleted_at is null

-- name: conversations_named
select id from public.conversations where missive_id = any(%(ids)s) and deleted_at is null

-- name: comments_of_tasks
select id from public.task_comments where task_id = any(%(ids)s) and deleted_at is null

-- name: comments_named
select id from public.task_comments where teamwork_id = any(%(ids)s) and deleted_at is null

-- name: emails_of_conversations
select id from public.emails where conversation_id = any(%(ids)s) and deleted_at is null

-- name: comments_of_conversations
select id from public.email_comments where conversation_id = any(%(ids)s) and deleted_at is null
