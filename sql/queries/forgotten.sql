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

-- name: lock_list
-- One who changes the list in the bucket at a time.
select pg_advisory_xact_lock(hashtextextended('ibhelm forgotten list', 0))

-- name: take_back
delete from ops.forgotten where id = any(%(ids)s::bigint[])

-- name: addresses_there
-- Every way to reach somebody that stands anywhere in what Missive said; bodies too, for not all of them could be understood.
select from_address from public.emails where from_address is not null
union select address from public.email_recipients where address is not null
union select author_email from public.email_comments where author_email is not null
union select email from public.missive_users where email is not null
union select lower(value) from public.contact_infos where value is not null
union select key from public.person_identities where kind = 'address'
union select lower(found[1]) from ops.raw_records r, regexp_matches(r.body::text, '[^\s"<>,;:()\\]+@[^\s"<>,;:()\\]+', 'g') as found where r.source = 'missive'
