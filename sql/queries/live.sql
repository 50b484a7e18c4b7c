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
