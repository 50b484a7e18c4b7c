-- Links to previews and originals (ibhelm_pipelines/objects/links.py), in files and email_attachments: set where they differ from what they should be.
-- The secret's id is compared in what is selected and not in the join: right after a signing the statistics know nothing of it, and the plan would be for no
-- rows at all. Rows are locked in the order of their keys, so that two runs wait for each other instead of deadlocking.

-- name: unsigned
select key, content_hash from ops.stored_objects
where kind = %(kind)s and signed_with is distinct from %(signed_with)s and (%(hashes)s::text[] is null or content_hash = any(%(hashes)s::text[]))
  and key > %(after)s
order by key limit %(limit)s

-- name: sign
with due as (
    select o.key, s.signature
    from ops.stored_objects o join unnest(%(keys)s::text[], %(signatures)s::text[]) as s (key, signature) using (key)
    order by o.key for no key update of o
)
update ops.stored_objects o set signature = due.signature, signed_with = %(signed_with)s from due where o.key = due.key

-- name: link_thumbnail
-- Also of deleted files: what they show is in the store as long as they are remembered.
with due as (
    select f.id, w.thumbnail
    from public.files f
    left join ops.stored_objects o on o.content_hash = f.content_hash and o.kind = 'thumbnail'
    cross join lateral (
        select case when o.signed_with = %(signed_with)s then
            json_build_array(json_build_object('url', %(base_url)s::text || '/thumbnails/' || o.content_hash || '/' || o.signature,
                                               'title', f.name || '.webp', 'mimetype', o.media_type, 'size', o.size_bytes))::text end
    ) as w (thumbnail)
    where f.thumbnail is distinct from w.thumbnail
      and (%(hashes)s::text[] is null or f.content_hash = any(%(hashes)s::text[])) and (%(folders)s::text[] is null or f.folder = any(%(folders)s::text[]))
    order by f.id for no key update of f
)
update public.files f set thumbnail = due.thumbnail from due where f.id = due.id

-- name: link_original
with due as (
    select f.id, w.download_url
    from public.files f
    left join ops.stored_objects o on o.content_hash = f.content_hash and o.kind = 'original'
    cross join lateral (
        select case when o.signed_with = %(signed_with)s then
            %(base_url)s::text || '/files/' || o.content_hash || '/' || o.signature || '/' || ops.url_quoted(f.name) end
    ) as w (download_url)
    where f.download_url is distinct from w.download_url
      and (%(hashes)s::text[] is null or f.content_hash = any(%(hashes)s::text[])) and (%(folders)s::text[] is null or f.folder = any(%(folders)s::text[]))
    order by f.id for no key update of f
)
update public.files f set download_url = due.download_url from due where f.id = due.id

-- name: link_attachments
with due as (
    select a.id, w.download_url
    from public.email_attachments a
    left join ops.stored_objects o on o.content_hash = a.content_hash and o.kind = 'original'
    cross join lateral (
        select case when o.signed_with = %(signed_with)s then
            %(base_url)s::text || '/files/' || o.content_hash || '/' || o.signature || '/' || ops.url_quoted(a.name) end
    ) as w (download_url)
    where a.download_url is distinct from w.download_url
      and (%(hashes)s::text[] is null or a.content_hash = any(%(hashes)s::text[]))
      and (%(folders)s::text[] is null or a.content_hash in (select content_hash from public.files where folder = any(%(folders)s::text[])))
    order by a.id for no key update of a
)
update public.email_attachments a set download_url = due.download_url from due where a.id = due.id
