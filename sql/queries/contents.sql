-- Removes contents that nothing carries any more (ibhelm_pipelines/objects/disposal.py), whoever took their last carrier away.

-- name: permit_rewriting
-- Until this transaction ends: versions of files may go (sql/migrations/0025_mirror.sql).
select set_config('ibhelm.rewriting', 'on', true)

-- name: lock_content_steps
-- The locks of the derived steps (content.sql: lock_contents): nobody makes an object of a content while it is removed. In one order.
select pg_advisory_xact_lock(lock) from (
    select distinct hashtextextended(step || ' ' || hash, 0) as lock
    from unnest(%(hashes)s::text[]) as hash, unnest(array['store', 'thumbnail', 'text', 'embedding']) as step
    order by 1
) as locks

-- name: lock_contents_table
-- Whoever stores a file or attachment writes its content in the same transaction, and waits here; nobody refers to a content while it is being removed.
lock table public.contents in share row exclusive mode

-- name: unreferenced
select c.hash from public.contents c
where c.hash = any(%(hashes)s::text[])
  and not exists (select from public.files f where f.content_hash = c.hash)
  and not exists (select from public.file_versions v where v.content_hash = c.hash)
  and not exists (select from public.email_attachments a where a.content_hash = c.hash)
  and not exists (select from ops.bit_rot b where b.expected_hash = c.hash)
order by c.hash

-- name: note_objects
-- Also where no row names one: an upload that was killed before its row.
insert into ops.objects_to_delete (key, content_hash, size_bytes)
select n.key, n.hash, o.size_bytes from unnest(%(keys)s::text[], %(hashes)s::text[]) as n (key, hash) left join ops.stored_objects o on o.key = n.key
on conflict (key) do update set size_bytes = coalesce(excluded.size_bytes, ops.objects_to_delete.size_bytes)

-- name: forget_events
delete from ops.inbox where source = 'content' and kind = 'hash' and key in (select convert_to(hash, 'UTF8') from unnest(%(hashes)s::text[]) as hash)

-- name: forget_texts
delete from public.content_texts where content_hash = any(%(hashes)s::text[])

-- name: forget_results
delete from ops.step_results where content_hash = any(%(hashes)s::text[])

-- name: forget_objects
delete from ops.stored_objects where content_hash = any(%(hashes)s::text[])

-- name: forget_accesses
-- Who read it stays until its time is over; what it was goes.
update ops.access_log set content_hash = null where content_hash = any(%(hashes)s::text[])

-- name: forget_contents
delete from public.contents where hash = any(%(hashes)s::text[]) returning size_bytes

-- name: next_objects
select key, content_hash, size_bytes from ops.objects_to_delete where key > %(after)s order by key limit 100

-- name: is_content_back
select exists (select from public.contents where hash = %(hash)s)

-- name: object_is_gone
delete from ops.objects_to_delete where key = %(key)s
