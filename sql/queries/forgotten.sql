-- What must not come back (ibhelm_pipelines/db/forgotten.py).

-- name: list_forgotten
select id, salt, digest from ops.forgotten order by id

-- name: note_forgotten
insert into ops.forgotten (salt, digest) values (%(salt)s, %(digest)s) returning id

-- name: holds_forgotten_messages
select exists (select from ops.forgotten_messages where missive_conversation_id = %(conversation)s)

-- name: latest_stored_subject
select subject from public.emails
where missive_conversation_id = %(conversation)s and deleted_at is null
order by delivered_at desc nulls last, missive_id limit 1

-- name: drop_forgotten_messages
delete from ops.forgotten_messages where missive_conversation_id = %(conversation)s and missive_id <> all(%(ids)s::text[])

-- name: keep_forgotten_messages
-- A message that was merged into another conversation moves with it.
insert into ops.forgotten_messages as m (missive_id, missive_conversation_id)
select id, %(conversation)s from unnest(%(ids)s::text[]) as id order by id
on conflict (missive_id) do update set missive_conversation_id = excluded.missive_conversation_id
where m.missive_conversation_id <> excluded.missive_conversation_id
