-- What the live lane did, read in the order of commits (ibhelm_pipelines/live/outbox.py).

-- name: life
select system_identifier::text, pg_snapshot_xmax(pg_current_snapshot())::text::bigint from pg_control_system()

-- name: forget_former_life
-- Told in a former life of this database: before the cursor in both orders, so nothing that was written since.
delete from ops.outbox where (xid, id) <= (%(xid)s::text::xid8, %(id)s::bigint) and id <= %(id)s

-- name: adopt
-- No transaction of this server has such numbers yet: the rows come from a dump of another one.
update ops.outbox set xid = pg_current_xact_id(), id = default where xid >= pg_snapshot_xmax(pg_current_snapshot())

-- name: untold
-- Below the snapshot's xmin every transaction is over: nothing can appear there any more.
select xid::text::bigint, id, asset, folder, counts
from ops.outbox
where (xid, id) > (%(xid)s::text::xid8, %(id)s::bigint) and xid < pg_snapshot_xmin(pg_current_snapshot())
order by xid, id limit %(limit)s

-- name: untold_yet
select count(*) from ops.outbox where (xid, id) > (%(xid)s::text::xid8, %(id)s::bigint)

-- name: forget_old
with oldest as (
    select id, happened_at from ops.outbox where (xid, id) <= (%(xid)s::text::xid8, %(id)s::bigint) order by xid, id limit %(limit)s
)
delete from ops.outbox o using oldest where o.id = oldest.id and oldest.happened_at < now() - interval '7 days'

-- name: live_files
select folder, count(*) from public.files where deleted_at is null and folder = any(%(folders)s) group by folder
