-- What could be wrong, asked of the tables. Each statement returns the worst rows first, at most 100, and in its first column how many there are in all.
-- A check passes when its statement returns no row.

-- name: mass_deletion_refused
-- Of the newest scan of each folder only: the next scan refuses again what is still missing.
select count(*) over (), r.scan_id as scan, f.folder, count(*) as missing_files, min(f.path) as for_example
from ops.refused_deletions r
join ops.scans s on s.id = r.scan_id and s.confirmed_at is null
join public.files f on f.id = r.file_id and f.deleted_at is null
join ops.folders d on d.folder = f.folder and d.last_scan_id = r.scan_id
group by r.scan_id, f.folder
order by missing_files desc
limit 100;

-- name: unreadable_paths
select count(*) over (), path, kind, reason, first_seen_at as since
from ops.path_problems
order by kind = 'unreadable_directory' desc, first_seen_at
limit 100;

-- name: bit_rot_open
select count(*) over (), path, expected_hash as expected_sha256, found_hash as found_sha256, found_at
from ops.bit_rot
where healed_at is null
order by found_at
limit 100;

-- name: folders_not_scanned
select count(*) over (), folder, last_complete_scan_at as last_complete_scan, first_seen_at as known_since
from ops.folders
where present and coalesce(last_complete_scan_at, first_seen_at) < now() - interval '2 days'
order by last_complete_scan_at nulls first
limit 100;

-- name: contents_not_stored
select count(*) over (), min(f.path) as for_example, c.size_bytes, max(r.reason) as reason, max(r.attempts) as attempts, max(r.next_try_at) as next_try
from public.contents c
join public.files f on f.content_hash = c.hash and f.deleted_at is null
left join ops.step_results r on r.content_hash = c.hash and r.step = 'store' and r.state <> 'ok'
where not exists (select from ops.stored_objects o where o.content_hash = c.hash and o.kind = 'original')
group by c.hash
order by c.size_bytes desc
limit 100;

-- name: failure_rate
-- By family of content, over the newest result of each content; a handful of files makes no rate.
with newest as (
    select distinct on (r.content_hash) r.content_hash, r.state, r.reason
    from ops.step_results r
    where r.step = %(step)s and exists (select from public.files f where f.content_hash = r.content_hash and f.deleted_at is null)
    order by r.content_hash, r.finished_at desc
)
select count(*) over (), coalesce(c.family, 'unknown') as family, count(*) filter (where n.state = 'failed') as failed, count(*) as contents,
       round(100.0 * count(*) filter (where n.state = 'failed') / count(*), 1)::float8 as percent,
       mode() within group (order by n.reason) filter (where n.state = 'failed') as usual_reason
from newest n
join public.contents c on c.hash = n.content_hash
group by c.family
having count(*) >= 20 and count(*) filter (where n.state = 'failed') > 0.05 * count(*)
order by failed desc
limit 100;

-- name: derived_contents
-- How many live contents of each folder a step has done well; the row count that the UI plots.
select f.folder, count(distinct f.content_hash)
from public.files f
where f.deleted_at is null and f.folder = any(%(folders)s)
  and exists (select from ops.step_results r where r.content_hash = f.content_hash and r.step = %(step)s and r.state = 'ok')
group by f.folder;

-- name: folders_without_live_files
select folder
from unnest(%s::text[]) as gone (folder)
where not exists (select from public.files f where f.folder = gone.folder and f.deleted_at is null);
