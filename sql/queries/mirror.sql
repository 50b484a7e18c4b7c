-- The mirror in S3: compared with its rows, read again, healed (ibhelm_pipelines/safety/verification.py).

-- name: rows_below
-- In the order in which S3 lists: that of the bytes.
select key, size_bytes, verified_at from ops.stored_objects
where starts_with(key, %(prefix)s) and key collate "C" > %(after)s
order by key collate "C" limit %(limit)s

-- name: begin_run
insert into ops.verifications (started_at, everything, rebuild) values (%(now)s, %(everything)s, %(rebuild)s) returning id

-- name: record_run
update ops.verifications set listed = %(listed)s, objects = %(objects)s, bytes = %(bytes)s, missing = %(missing)s, refused = %(refused)s where id = %(id)s

-- name: finish_run
update ops.verifications set finished_at = %(now)s where id = %(id)s

-- name: create_worklist
create temp table if not exists worklist (position bigint generated always as identity, key text not null)

-- name: create_treated
-- What the listing led to is not looked at a second time in the same run.
create temp table if not exists treated (key text primary key)

-- name: note_treated
insert into treated (key) select key from worklist

-- name: empty_worklist
truncate worklist restart identity

-- name: note_suspects
insert into worklist (key) select unnest(%(keys)s::text[])

-- name: in_trouble
select key from ops.object_problems where key = any(%(keys)s::text[]) and healed_at is null

-- name: count_news
select count(*) from worklist w where not exists (select from ops.object_problems p where p.key = w.key and p.healed_at is null)

-- name: due
-- A thirtieth by count and by bytes, whichever is more, the oldest first: each object is read once in 30 days, and no day has nothing to do. What is older
-- than 30 days all the same (a machine that was off) is caught up with at three times that pace. What was read today is not due again.
with objects as (
    select key, size_bytes, coalesce(verified_at, stored_at) as known_good_at from ops.stored_objects
), quota as (
    select ceil(count(*) / 30.0) as objects, sum(size_bytes) / 30.0 as bytes from objects
), aged as (
    select key, known_good_at, row_number() over oldest_first as number, sum(size_bytes) over oldest_first - size_bytes as bytes_before
    from objects where known_good_at < %(now)s - interval '20 hours'
    window oldest_first as (order by known_good_at, key)
), due as (
    select a.key, a.number from aged a cross join quota q
    cross join lateral (select case when a.known_good_at < %(now)s - interval '30 days' then 3 else 1 end as pace) as p
    where a.number <= p.pace * q.objects or a.bytes_before < p.pace * q.bytes
)
insert into worklist (key) select key from due where key not in (select key from treated) order by number

-- name: all_due
insert into worklist (key)
select key from ops.stored_objects where key not in (select key from treated) order by coalesce(verified_at, stored_at), key

-- name: open_due
-- What could not be healed yet may be so today: the file is back. What is missing is found by the listing.
insert into worklist (key)
select key from ops.object_problems where healed_at is null and kind in ('rotten', 'unreadable') 
  and key not in (select key from worklist) and key not in (select key from treated)
order by id

-- name: count_worklist
select count(*), coalesce(sum(o.size_bytes), 0)::bigint from worklist w join ops.stored_objects o using (key)

-- name: take
select w.position, o.key, o.kind, o.content_hash, o.sha256, o.size_bytes, o.media_type
from worklist w left join ops.stored_objects o using (key)
where w.position > %(after)s order by w.position limit %(limit)s

-- name: lock_objects
-- The locks of the steps (content.sql: lock_contents): nobody stores or deletes an object while it is healed. Of this session, for an upload may take long.
select key from unnest(%(keys)s::text[], %(hashes)s::text[], %(kinds)s::text[]) as o (key, hash, kind)
where pg_try_advisory_lock(hashtextextended(case kind when 'original' then 'store' else 'thumbnail' end || ' ' || hash, 0))

-- name: unlock_objects
select pg_advisory_unlock(hashtextextended(case kind when 'original' then 'store' else 'thumbnail' end || ' ' || hash, 0))
from unnest(%(hashes)s::text[], %(kinds)s::text[]) as o (hash, kind)

-- name: still_there
select key from ops.stored_objects where key = any(%(keys)s::text[])

-- name: mark_good
update ops.stored_objects set verified_at = %(now)s where key = any(%(keys)s::text[])

-- name: close_problems
update ops.object_problems set healed_at = %(now)s, how = %(how)s where key = any(%(keys)s::text[]) and healed_at is null

-- name: close_problems_of_gone
-- The object was meant to go: its row is gone, too.
update ops.object_problems p set healed_at = %(now)s, how = 'it is no longer kept'
where p.healed_at is null and not exists (select from ops.stored_objects o where o.key = p.key)

-- name: record_problem
insert into ops.object_problems (key, content_hash, object_kind, kind, found_at, how)
values (%(key)s, %(hash)s, %(object_kind)s, %(kind)s, %(now)s, 'it is being healed')
on conflict (key) where healed_at is null do update set kind = excluded.kind

-- name: settle_problem
update ops.object_problems set healed_at = %(healed_at)s, how = %(how)s where key = %(key)s and healed_at is null

-- name: places
-- Live files that carry a content, as the last scan saw them.
select f.raw_path, f.extension, e.size_bytes, e.mtime_ns, e.inode
from public.files f join ops.disk_entries e on e.file_id = f.id and e.live
where f.content_hash = %(hash)s and f.deleted_at is null and e.mtime_ns is not null and e.inode is not null
order by f.id limit 8

-- name: make_thumbnail_again
with gone as (delete from ops.step_results where content_hash = %(hash)s and step = 'thumbnail')
delete from ops.stored_objects where key = %(key)s

-- name: open_problems
select kind, paths, why_not from ops.open_object_problems order by found_at, id
