-- The webhook receiver (ibhelm_pipelines/live/webhook_store.py).

-- name: insert_delivery
-- A replay brings no row. A post that is only known by its bytes is news again when no vendor would still be retrying the first one:
-- a label taken off and put on again is told twice in the same words.
insert into ops.webhook_deliveries as d (vendor, delivery, event, kind, object_id, body)
values (%(vendor)s, %(delivery)s, %(event)s, %(kind)s, %(object_id)s, %(body)s)
on conflict (vendor, delivery) do update set received_at = now()
where not %(has_own_id)s and d.received_at < now() - make_interval(secs => %(retry_seconds)s)
returning id

-- name: delete_old_deliveries
with old as (
    select id from ops.webhook_deliveries where received_at < now() - make_interval(days => %(days)s) order by received_at limit %(rows)s
)
delete from ops.webhook_deliveries d using old where d.id = old.id
