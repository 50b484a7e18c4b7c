-- What activity tells (ibhelm_pipelines/register/activity.py).

-- name: lock_activity
-- One at a time: two would each add the same.
select pg_advisory_xact_lock(hashtextextended('ibhelm activity', 0))

-- name: has_entries
select exists (select from ops.activity_entries)

-- name: refresh_activity
-- Entries are only added and taken away: what is the same stays as it is.
with told as materialized (
    select at, kind, item_id, ref_id, project_id from ops.activity_now where at >= %(since)s::timestamptz
), entries as materialized (
    select id, at, kind, item_id, ref_id, project_id from ops.activity_entries where at >= %(since)s::timestamptz
), compared as materialized (
    select e.id, t.at, t.kind, t.item_id, t.ref_id, t.project_id
    from told t
    full join entries e on e.at = t.at and e.item_id = t.item_id and e.kind = t.kind
        and coalesce(e.ref_id, 0) = coalesce(t.ref_id, 0) and coalesce(e.project_id, 0) = coalesce(t.project_id, 0)
    where e.id is null or t.at is null
), removed as (
    delete from ops.activity_entries e using compared c where c.id = e.id returning 1
), added as (
    insert into ops.activity_entries (at, kind, item_id, ref_id, project_id)
    select at, kind, item_id, ref_id, project_id from compared where id is null
    returning 1
)
select (select count(*) from added), (select count(*) from removed)
