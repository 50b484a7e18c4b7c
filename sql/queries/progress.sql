-- What `ibhelm scan` shows while a run is at work.

-- name: newest_scan
select coalesce(max(id), 0), now() from ops.scans;

-- name: scan_since
-- The scan of this run: newer than the run, with its scope; live scans look at parts. A second try of the run is a newer scan.
select id, state, phase, files_seen, files_to_hash, files_hashed, bytes_to_hash, bytes_hashed
from ops.scans
where id > %(after)s and folders is not distinct from %(folders)s::text[] and deep = %(deep)s and paths is null
order by id desc
limit 1;

-- name: missing_contents
-- How much a step has before it: live contents without a result of this step. Asked once a step, for it reads every content.
select count(*)
from public.contents c
where exists (select from public.files f where f.content_hash = c.hash and f.deleted_at is null
                and (%(folders)s::text[] is null or f.folder = any(%(folders)s)))
  and not exists (select from ops.step_results r where r.content_hash = c.hash and r.step = %(step)s);

-- name: finished_contents
select step, count(*) from ops.step_results where finished_at >= %(since)s group by step;

-- name: known_folders
select folder from ops.folders;
