-- Removes for good what is deleted for longer than its retention, and objects that nothing names (ibhelm_pipelines/safety/purge.py). Contents: contents.sql.

-- name: clock
-- What the database says of the time: its own clock, the newest thing that began, and when a purge last had nothing against it (or a scan, before the first).
select now(),
       greatest((select max(started_at) from ops.scans), (select max(started_at) from ops.purges where refused is null)),
       coalesce((select max(started_at) from ops.purges where refused is null), (select max(started_at) from ops.scans))

-- name: due
select count(*), (select count(*) from public.files),
       coalesce(sum((select count(*) from public.file_versions v where v.file_id = f.id)), 0)::bigint
from public.files f
where f.deleted_at < %(now)s - make_interval(days => %(days)s)

-- name: first_due
select path from public.files where deleted_at < %(now)s - make_interval(days => %(days)s) order by deleted_at, id limit %(limit)s

-- name: contents_to_go
-- Carried by files that are due, and by nothing else; and those that nothing carries already.
with due as materialized (
    select id from public.files where deleted_at < %(now)s - make_interval(days => %(days)s)
), gone as (
    select c.hash from public.contents c
    where (c.first_seen_at < %(now)s - make_interval(days => %(grace)s)
           or exists (select from public.file_versions v where v.content_hash = c.hash and v.file_id in (select id from due)))
      and not exists (select from public.files f where f.content_hash = c.hash and f.id not in (select id from due))
      and not exists (select from public.file_versions v where v.content_hash = c.hash and v.file_id not in (select id from due))
      and not exists (select from public.email_attachments a where a.content_hash = c.hash)
      and not exists (select from ops.bit_rot b where b.expected_hash = c.hash and b.file_id not in (select id from due))
)
select count(distinct g.hash), count(distinct t.content_hash), count(o.key), coalesce(sum(o.size_bytes), 0)::bigint
from gone g
left join public.content_texts t on t.content_hash = g.hash
left join ops.stored_objects o on o.content_hash = g.hash

-- name: begin_run
insert into ops.purges (started_at, retention_days, confirmed, refused) values (%(now)s, %(days)s, %(confirmed)s, %(refused)s) returning id

-- name: record_run
update ops.purges set removed = %(removed)s, refused = %(refused)s where id = %(id)s

-- name: finish_run
update ops.purges set finished_at = %(now)s where id = %(id)s

-- name: take_due
-- Asked again now that no scan is under way, and locked: a file that came back meanwhile stays.
select id from public.files where deleted_at < %(now)s - make_interval(days => %(days)s) order by deleted_at, id limit %(limit)s for update

-- name: contents_of
select content_hash from public.files where id = any(%(files)s::bigint[]) and content_hash is not null
union
select content_hash from public.file_versions where file_id = any(%(files)s::bigint[]) and content_hash is not null
union
select expected_hash from ops.bit_rot where file_id = any(%(files)s::bigint[])

-- name: release_attachments
-- The mail stays, and what it holds; where on the NAS it once lay is past its retention.
update public.email_attachments set file_id = null where file_id = any(%(files)s::bigint[])

-- name: delete_versions
delete from public.file_versions where file_id = any(%(files)s::bigint[])

-- name: delete_refusals
delete from ops.refused_deletions where file_id = any(%(files)s::bigint[])

-- name: delete_bit_rot
delete from ops.bit_rot where file_id = any(%(files)s::bigint[])

-- name: delete_entries
delete from ops.disk_entries where file_id = any(%(files)s::bigint[])

-- name: delete_files
delete from public.files where id = any(%(files)s::bigint[])

-- name: unreferenced_contents
-- Candidates: whether they go is asked again under their locks (contents.sql: unreferenced).
select c.hash from public.contents c
where c.hash > %(after)s and c.first_seen_at < %(now)s - make_interval(days => %(grace)s)
  and not exists (select from public.files f where f.content_hash = c.hash)
  and not exists (select from public.file_versions v where v.content_hash = c.hash)
  and not exists (select from public.email_attachments a where a.content_hash = c.hash)
  and not exists (select from ops.bit_rot b where b.expected_hash = c.hash)
order by c.hash limit %(limit)s

-- name: note_orphans
insert into ops.orphan_objects (key, size_bytes, modified_at, noted_at, seen_at)
select key, size, modified_at, %(now)s, %(now)s from unnest(%(keys)s::text[], %(sizes)s::bigint[], %(times)s::timestamptz[]) as o (key, size, modified_at)
on conflict (key) do update
set size_bytes = excluded.size_bytes, modified_at = excluded.modified_at, seen_at = excluded.seen_at,
    noted_at = case when ops.orphan_objects.modified_at = excluded.modified_at then ops.orphan_objects.noted_at else excluded.noted_at end

-- name: drop_other_orphans
-- After the whole bucket was listed: what is not there any more, or has a row again.
delete from ops.orphan_objects where seen_at <> %(now)s

-- name: count_orphans
-- Past their grace, and without a row also at this moment.
select count(*), coalesce(sum(size_bytes), 0)::bigint from ops.orphan_objects n
where noted_at <= %(before)s and modified_at <= %(before)s and not exists (select from ops.stored_objects o where o.key = n.key)

-- name: next_orphans
select key, size_bytes from ops.orphan_objects
where key > %(after)s and noted_at <= %(before)s and modified_at <= %(before)s order by key limit %(limit)s

-- name: has_row
-- One that is noted to be deleted has an owner, too: whoever noted it.
select exists (select from ops.stored_objects where key = %(key)s) or exists (select from ops.objects_to_delete where key = %(key)s)

-- name: orphan_is_gone
delete from ops.orphan_objects where key = %(key)s
