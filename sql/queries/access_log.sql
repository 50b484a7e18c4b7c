-- Who read what (ibhelm_pipelines/access_log).

-- name: store
insert into ops.access_log (id, at, way, who, client, action, items, content_hash, row_count, outcome, status)
values (%(id)s, %(at)s, %(way)s, %(who)s, %(client)s, %(action)s, %(items)s::text[], %(content_hash)s, %(row_count)s, %(outcome)s, %(status)s)
on conflict (id) do nothing

-- name: contents_at
-- Contents that a path holds or held, and the files that are or were there; with what lies below a folder.
select f.id, v.content_hash from public.files f left join public.file_versions v on v.file_id = f.id
where f.path = %(path)s or f.path like %(below)s or v.path = %(path)s or v.path like %(below)s

-- name: list
-- The newest first. What a content is called today; of several files one, and how many more there are.
select l.at, l.way, l.who, l.client, l.action, l.items, l.content_hash, l.row_count, l.outcome, l.status, named.paths
from (
    select * from ops.access_log
    where (%(who)s::text is null or lower(who) = lower(%(who)s))
      and (%(since)s::timestamptz is null or at >= %(since)s) and (%(until)s::timestamptz is null or at < %(until)s)
      and (%(hashes)s::text[] is null or content_hash = any(%(hashes)s) or items && %(items)s::text[])
      and (%(clients)s::text[] is null or client = any(%(clients)s))
    order by at desc, id limit %(limit)s
) l
left join lateral (
    select array_agg(distinct f.path) as paths from public.files f
    where f.content_hash = l.content_hash or 'file:' || f.id = any(l.items)
) named on l.content_hash is not null or cardinality(l.items) = 1
order by l.at desc, l.id

-- name: note_reading
-- Whoever reads the log stands in it.
insert into ops.access_log (id, at, way, who, action, items, outcome, status) values (gen_random_uuid(), now(), 'cli', %(who)s, 'access log', %(items)s, 'allowed', 200)
