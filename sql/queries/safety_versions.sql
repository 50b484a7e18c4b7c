-- What was where and when: for restore, history and the manifests in the bucket (ibhelm_pipelines/safety).

-- name: files_at
-- Every file that stood at or below a path at a moment. A clock that was set back may have made two versions of a file, or two files at a path, overlap: the
-- newer one counts. `collate "C"`, because names are compared as bytes.
with valid as (
    select distinct on (v.file_id) v.id, v.raw_path, v.content_hash, v.size_bytes, v.mtime_ns
    from public.file_versions v
    where v.valid_from <= %(at)s and (v.valid_to is null or v.valid_to > %(at)s)
      and (%(path)s = '' or v.path = %(path)s or starts_with(v.path, %(path)s || '/'))
    order by v.file_id, v.id desc
), one_each as (
    select distinct on (raw_path) * from valid order by raw_path, id desc
)
select o.raw_path, o.content_hash, o.size_bytes, o.mtime_ns,
       exists (select from ops.stored_objects s where s.content_hash = o.content_hash and s.kind = 'original') as is_stored,
       (select r.reason from ops.step_results r where r.content_hash = o.content_hash and r.step = 'store' order by r.finished_at desc limit 1) as reason
from one_each o
order by o.raw_path

-- name: history_of_file
-- All versions of every file that ever stood at or below a path, also those when it stood elsewhere, each beside the one before.
with files as (
    select distinct file_id from public.file_versions where path = %(path)s or starts_with(path, %(path)s || '/')
)
select v.file_id, v.path, v.content_hash, v.size_bytes, v.mtime_ns, v.valid_from, v.valid_to,
       lag(v.id) over w is null as is_first,
       lag(v.path) over w as path_before, lag(v.content_hash) over w as hash_before, lag(v.valid_to) over w as end_before,
       lead(v.valid_from) over w as begin_after
from public.file_versions v join files using (file_id)
window w as (partition by v.file_id order by v.id)
order by v.id

-- name: purged_before
-- Of files that were deleted before this moment nothing may be known any more: the retention took some of them.
select max(started_at - make_interval(days => retention_days)) from ops.purges where (removed ->> 'files')::bigint > 0

-- name: known_times
select min(valid_from), max(valid_to), bool_or(valid_to is null) from public.file_versions where path = %(path)s or starts_with(path, %(path)s || '/')

-- name: near_paths
-- Paths and folders that are spelt similarly, the most similar first.
with known as (
    select distinct path from public.file_versions
    union
    select distinct regexp_replace(path, '/[^/]*$', '') from public.file_versions where path like '%%/%%'
    union
    select folder from ops.folders
)
select path from known
where similarity(path, %(path)s) > 0.3
order by similarity(path, %(path)s) desc, path
limit 5

-- name: lock_manifests
-- One writer of manifests at a time; it goes with the connection.
select pg_advisory_lock(hashtextextended('ibhelm manifests', 0))

-- name: begin_manifests
insert into ops.manifest_writes (started_at) values (%(now)s) returning id

-- name: end_manifests
update ops.manifest_writes
set finished_at = %(now)s, index_key = %(index_key)s, folders = %(folders)s, versions = %(versions)s, written = %(written)s,
    written_bytes = %(written_bytes)s, error = %(error)s
where id = %(id)s

-- name: known_as_of
-- Until when the versions that a later transaction sees are all that there are: what is not committed yet counts from when its transaction began.
select least(now(), (
    select min(a.xact_start) from pg_stat_activity a
    where a.datname = current_database() and a.application_name like 'ibhelm %%' and a.pid <> pg_backend_pid()))

-- name: all_versions
select v.id, v.file_id, v.raw_path, v.content_hash, v.size_bytes, v.mtime_ns, v.valid_from, v.valid_to
from public.file_versions v
order by v.raw_path, v.id
