-- Derived work on contents: finding what is missing, sharing it between runs, recording what came of it.
-- A transient failure is due again at its time, or at once when a scan recorded a file with this content since: it was renamed, or is back. `now()` is
-- when a transaction began, and a step may have looked for the file before the scan moved its row: what was recorded shortly before counts as since.

-- name: create_worklist
-- Of this session: what this run found missing when it began. It lies in Postgres because a parent with 300,000 hashes in memory is not flat.
create temp table worklist (position bigint not null, hash text not null)

-- name: fill_worklist
-- In the order of the files, so that the disk is read folder by folder.
with tool as materialized (
    select * from unnest(%(families)s::text[], %(versions)s::text[]) as t (family, version)
)
insert into worklist (position, hash)
select min(f.id), f.content_hash
from public.files f
where f.deleted_at is null and f.content_hash is not null and (%(folders)s::text[] is null or f.folder = any(%(folders)s::text[]))
  and not exists (
    select from public.contents c
    join tool on tool.family = coalesce(c.family, %(unopened)s)
    join ops.step_results r on r.content_hash = c.hash and r.step = %(step)s and r.tool_version = tool.version
    where c.hash = f.content_hash and (r.next_try_at is null or r.next_try_at > now() and not exists (
        select from public.files n where n.content_hash = c.hash and n.deleted_at is null and n.last_seen_at > r.finished_at - %(overlap)s
    ))
  )
group by f.content_hash

-- name: index_worklist
create index on worklist (position)

-- name: take_from_worklist
select position, hash from worklist where position > %(after)s order by position limit %(limit)s

-- name: list_missing_of_hashes
-- The smallest first, so that a 200-page scan never delays a note.
with tool as materialized (
    select * from unnest(%(families)s::text[], %(versions)s::text[]) as t (family, version)
)
select c.hash
from public.contents c join tool on tool.family = coalesce(c.family, %(unopened)s)
where c.hash = any(%(hashes)s::text[])
  and not exists (
    select from ops.step_results r
    where r.content_hash = c.hash and r.step = %(step)s and r.tool_version = tool.version
      and (r.next_try_at is null or r.next_try_at > now() and not exists (
        select from public.files n where n.content_hash = c.hash and n.deleted_at is null and n.last_seen_at > r.finished_at - %(overlap)s
      ))
  )
order by c.size_bytes, c.hash

-- name: count_waiting
with tool as materialized (
    select * from unnest(%(families)s::text[], %(versions)s::text[]) as t (family, version)
)
select count(*)
from public.contents c join tool on tool.family = coalesce(c.family, %(unopened)s)
where c.hash = any(%(hashes)s::text[])
  and exists (select from public.files f where f.content_hash = c.hash and f.deleted_at is null)
  and not exists (
    select from ops.step_results r
    where r.content_hash = c.hash and r.step = %(step)s and r.tool_version = tool.version and r.next_try_at is null
  )

-- name: lock_contents
-- Locks of this session, not of a transaction: they last until the result is committed. Not row locks, because scans refer to the same rows meanwhile.
select hash from unnest(%(hashes)s::text[]) as hash where pg_try_advisory_lock(hashtextextended(%(step)s || ' ' || hash, 0))

-- name: unlock_contents
select pg_advisory_unlock(hashtextextended(%(step)s || ' ' || hash, 0)) from unnest(%(hashes)s::text[]) as hash

-- name: read_work
-- A statement of its own after the locking, so that it sees what the last holder of the lock committed, and no content whose last file went meanwhile.
with tool as materialized (
    select * from unnest(%(families)s::text[], %(versions)s::text[]) as t (family, version)
)
select c.hash, c.size_bytes, c.family,
       array(
           select distinct f.folder from public.files f
           where f.content_hash = c.hash and f.deleted_at is null and (%(folders)s::text[] is null or f.folder = any(%(folders)s::text[]))
       ) as folders,
       place.raw_path, place.extension, place.size_bytes, place.mtime_ns, place.inode
from unnest(%(hashes)s::text[]) with ordinality as wanted (hash, ord)
join public.contents c using (hash)
left join tool on tool.family = coalesce(c.family, %(unopened)s)
left join lateral (
    select f.id, f.raw_path, f.extension, e.size_bytes, e.mtime_ns, e.inode
    from public.files f join ops.disk_entries e on e.file_id = f.id and e.live
    where f.content_hash = c.hash and f.deleted_at is null and e.mtime_ns is not null and e.inode is not null
    order by f.id limit %(places)s
) as place on true
where exists (select from public.files f where f.content_hash = c.hash and f.deleted_at is null)
  and not exists (
    select from ops.step_results r
    where r.content_hash = c.hash and r.step = %(step)s and r.tool_version = tool.version
      and (r.next_try_at is null or r.next_try_at > now() and not exists (
        select from public.files n where n.content_hash = c.hash and n.deleted_at is null and n.last_seen_at > r.finished_at - %(overlap)s
      ))
  )
order by wanted.ord, place.id

-- name: lock_rows
-- Before anything is written to them: two steps of the same contents, finished in another order, wait for each other here instead of deadlocking.
select from public.contents where hash = any(%(hashes)s::text[]) order by hash for no key update

-- name: record_content
-- What a reader does not say stays as an earlier one said it.
update public.contents c
set family = n.family, media_type = n.media_type, page_count = n.page_count, pixel_width = n.pixel_width, pixel_height = n.pixel_height,
    author = n.author, title = n.title, program = n.program, written_at = n.written_at, likeness = n.likeness, language = n.language
from (
    select coalesce(%(family)s, o.family) as family, coalesce(%(media_type)s, o.media_type) as media_type,
           coalesce(%(page_count)s, o.page_count) as page_count, coalesce(%(pixel_width)s, o.pixel_width) as pixel_width,
           coalesce(%(pixel_height)s, o.pixel_height) as pixel_height, coalesce(%(author)s, o.author) as author, coalesce(%(title)s, o.title) as title,
           coalesce(%(program)s, o.program) as program, coalesce(%(written_at)s, o.written_at) as written_at,
           coalesce(%(likeness)s, o.likeness) as likeness, coalesce(%(language)s, o.language) as language
    from public.contents o where o.hash = %(hash)s
) as n
where c.hash = %(hash)s
  and (c.family, c.media_type, c.page_count, c.pixel_width, c.pixel_height, c.author, c.title, c.program, c.written_at, c.likeness, c.language)
      is distinct from (n.family, n.media_type, n.page_count, n.pixel_width, n.pixel_height, n.author, n.title, n.program, n.written_at, n.likeness, n.language)

-- name: record_text
insert into public.content_texts (content_hash, text, truncated) values (%(hash)s, %(text)s, %(truncated)s)
on conflict (content_hash) do update set text = excluded.text, truncated = excluded.truncated

-- name: record_text_chars
update public.contents set text_chars = %(chars)s where hash = %(hash)s and text_chars is distinct from %(chars)s

-- name: record_object
insert into ops.stored_objects (key, kind, content_hash, sha256, size_bytes, media_type)
values (%(key)s, %(kind)s, %(hash)s, %(sha256)s, %(size)s, %(media_type)s)
on conflict (key) do update set sha256 = excluded.sha256, size_bytes = excluded.size_bytes, media_type = excluded.media_type, stored_at = now()
where (ops.stored_objects.sha256, ops.stored_objects.size_bytes) is distinct from (excluded.sha256, excluded.size_bytes)

-- name: record_result
-- Each transient failure waits eight times longer than the last one: a minute, eight, an hour, half a day; the fifth is the last.
-- A file that was elsewhere or other by then is no fault of its content: that is never the last.
insert into ops.step_results as r (content_hash, step, tool_version, state, reason, permanent, took_ms, pages_read, truncated, next_try_at)
values (%(hash)s, %(step)s, %(version)s, %(state)s, %(reason)s, %(state)s = 'failed' and not %(transient)s, %(took_ms)s, %(pages_read)s, %(truncated)s,
        case when %(transient)s then now() + interval '1 minute' end)
on conflict (content_hash, step, tool_version) do update
set state = excluded.state, reason = excluded.reason, took_ms = excluded.took_ms, finished_at = now(), attempts = r.attempts + 1,
    pages_read = excluded.pages_read, truncated = excluded.truncated,
    permanent = excluded.permanent or (excluded.next_try_at is not null and r.attempts + 1 >= %(max_attempts)s and not %(changed)s),
    next_try_at = case when excluded.next_try_at is not null and (r.attempts + 1 < %(max_attempts)s or %(changed)s)
                       then now() + interval '1 minute' * 8 ^ least(r.attempts, 3) end

-- name: drop_superseded_results
-- A good result replaces all earlier ones; any other one leaves an earlier good one standing, because what that made is still there.
delete from ops.step_results
where content_hash = %(hash)s and step = %(step)s and tool_version <> %(version)s and (%(state)s = 'ok' or state <> 'ok')

-- name: note_tool_versions
-- Written only where something is new: a row that is written as it was is written all the same.
with present as (
    select * from unnest(%(families)s::text[], %(versions)s::text[]) as t (family, version)
), gone as (
    delete from ops.tool_versions where step = %(step)s and family <> all (%(families)s::text[])
)
insert into ops.tool_versions as t (step, family, tool_version)
select %(step)s, p.family, p.version
from present p
where not exists (select from ops.tool_versions k where k.step = %(step)s and k.family = p.family and k.tool_version = p.version)
order by p.family
on conflict (step, family) do update set tool_version = excluded.tool_version, since = now()

-- name: find_retryable
-- What the present tools gave up, or cut off, of contents that still have a file.
with tool as materialized (
    select * from unnest(%(steps)s::text[], %(families)s::text[], %(versions)s::text[]) as t (step, family, version)
)
select r.step, tool.family, r.state, coalesce(r.reason, 'The text ends before the document does'), r.content_hash
from tool
join ops.step_results r on r.step = tool.step and r.tool_version = tool.version
join public.contents c on c.hash = r.content_hash and coalesce(c.family, %(unopened)s) = tool.family
where case when %(truncated)s then r.truncated else r.state in ('failed', 'unsupported') end
  and (%(reason)s::text is null or position(lower(%(reason)s) in lower(r.reason)) > 0)
  and exists (
    select from public.files f
    where f.content_hash = r.content_hash and f.deleted_at is null and (%(folders)s::text[] is null or f.folder = any(%(folders)s::text[]))
  )
order by r.step, r.content_hash

-- name: forget_results
-- Of the present tools, and without a whole product only: a good result of an older tool stays, and with it what people see.
delete from ops.step_results
where content_hash = any(%(hashes)s::text[]) and step = %(step)s and tool_version = any(%(versions)s::text[])
  and (state in ('failed', 'unsupported') or truncated)
