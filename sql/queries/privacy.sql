-- Removes what is stored of one person (ibhelm_pipelines/privacy). Contents: contents.sql.

-- name: lock_forgetting
-- One run at a time.
select pg_try_advisory_lock(hashtextextended('ibhelm forget', 0))

-- name: create_doomed
-- What is to go, as this session found it.
create temp table if not exists doomed_emails (missive_id text primary key, conversation text);
create temp table if not exists doomed_comments (missive_id text primary key);
create temp table if not exists doomed_attachments (
    id bigint primary key, email text, comment text, content_hash text, file_id bigint, raw_inbox_path bytea, raw_temporary_path bytea
);
create temp table if not exists doomed_files (id bigint primary key);

-- name: empty_doomed
truncate doomed_emails, doomed_comments, doomed_attachments, doomed_files

-- name: named_in_raw
-- Every body in which one of these pieces of text stands. Which of them name somebody is decided by who reads them.
select kind, vendor_id, body from ops.raw_records
where source = 'missive' and body is not null and body::text ilike any(%(patterns)s::text[])

-- name: doom_emails
insert into doomed_emails (missive_id, conversation)
select e.missive_id, e.missive_conversation_id from public.emails e where e.from_address = any(%(addresses)s::text[]) and e.missive_id is not null
union
select r.vendor_id, r.body ->> 'conversation_id' from ops.raw_records r
where r.source = 'missive' and r.kind = 'emails' and r.vendor_id = any(%(ids)s::text[])
on conflict (missive_id) do nothing

-- name: doom_comments
insert into doomed_comments (missive_id)
select c.missive_id from public.email_comments c
where c.missive_id is not null
  and (c.author_email = any(%(addresses)s::text[])
       or c.missive_author_id in (select u.missive_id from public.missive_users u where u.email = any(%(addresses)s::text[])))
union
select id from unnest(%(ids)s::text[]) as id
on conflict (missive_id) do nothing

-- name: doom_attachments
-- With those on their way to the NAS: put there, and not linked yet.
insert into doomed_attachments (id, email, comment, content_hash, file_id, raw_inbox_path, raw_temporary_path)
select a.id, a.missive_email_id, a.missive_comment_id, coalesce(a.content_hash, w.hash), a.file_id, coalesce(a.raw_inbox_path, w.raw_path), w.raw_temporary_path
from public.email_attachments a left join ops.attachment_files w on w.attachment_id = a.id
where a.missive_email_id in (select missive_id from doomed_emails where num_nonnulls(%(email)s::text, %(comment)s::text) = 0 or missive_id = %(email)s)
   or a.missive_comment_id in (select missive_id from doomed_comments where num_nonnulls(%(email)s::text, %(comment)s::text) = 0 or missive_id = %(comment)s)
on conflict (id) do update
set content_hash = excluded.content_hash, file_id = excluded.file_id, raw_inbox_path = excluded.raw_inbox_path,
    raw_temporary_path = excluded.raw_temporary_path

-- name: list_doomed_emails
select missive_id, conversation from doomed_emails order by missive_id

-- name: list_doomed_comments
select missive_id from doomed_comments order by missive_id

-- name: list_contacts
select c.missive_id from public.contacts c
where c.missive_id is not null
  and exists (select from public.contact_infos i where i.contact_id = c.id and lower(i.value) = any(%(addresses)s::text[]))
union
select id from unnest(%(ids)s::text[]) as id
order by 1

-- name: list_users
select missive_id from public.missive_users where email = any(%(addresses)s::text[]) and missive_id is not null
union
select id from unnest(%(ids)s::text[]) as id
order by 1

-- name: list_placed
-- Attachments that were put onto the NAS for a mail or comment, and whether somebody else's carries the same content or points to the same file.
select d.content_hash, d.raw_inbox_path, d.raw_temporary_path,
       exists (select from public.email_attachments a where a.content_hash = d.content_hash and a.id not in (select id from doomed_attachments))
       or exists (select from ops.attachment_files w where w.hash = d.content_hash and w.attachment_id not in (select id from doomed_attachments))
       or exists (
           select from public.email_attachments a
           where a.file_id in (
                   select id from public.files where deleted_at is null and sha256(raw_path) = sha256(d.raw_inbox_path)
                   union all
                   select id from public.files where deleted_at is not null and sha256(raw_path) = sha256(d.raw_inbox_path)
               ) and a.id not in (select id from doomed_attachments)
       ) as shared
from doomed_attachments d
where num_nonnulls(d.raw_inbox_path, d.raw_temporary_path) > 0
  and (%(email)s::text is null or d.email = %(email)s) and (%(comment)s::text is null or d.comment = %(comment)s)
order by d.id

-- name: known_addresses
select a from unnest(%(addresses)s::text[]) as a
where exists (select from public.emails where from_address = a) or exists (select from public.email_recipients where address = a)
   or exists (select from public.email_comments where author_email = a) or exists (select from public.missive_users where email = a)
   or exists (select from public.contact_infos where lower(value) = a)
   or exists (select from public.person_identities where kind = 'address' and key = a)

-- name: files_at
-- In two parts, each with an index.
select id from public.files where deleted_at is null and sha256(raw_path) = sha256(%(raw_path)s)
union all
select id from public.files where deleted_at is not null and sha256(raw_path) = sha256(%(raw_path)s)

-- name: doom_file
insert into doomed_files (id) select unnest(%(ids)s::bigint[]) on conflict do nothing

-- name: contents_to_go
-- What a plan says will go: carried by nothing else than what goes.
select count(*), count(t.content_hash),
       coalesce(sum((select count(*) from ops.stored_objects o where o.content_hash = c.hash)), 0)::bigint,
       coalesce(sum((select sum(o.size_bytes) from ops.stored_objects o where o.content_hash = c.hash)), 0)::bigint
from (
    select content_hash as hash from doomed_attachments where content_hash is not null
    union
    select v.content_hash from public.file_versions v join doomed_files d on d.id = v.file_id where v.content_hash is not null
) as wanted
join public.contents c using (hash)
left join public.content_texts t on t.content_hash = c.hash
where not exists (select from public.files f where f.content_hash = c.hash and f.id not in (select id from doomed_files))
  and not exists (select from public.file_versions v where v.content_hash = c.hash and v.file_id not in (select id from doomed_files))
  and not exists (select from public.email_attachments a where a.content_hash = c.hash and a.id not in (select id from doomed_attachments))
  and not exists (select from ops.bit_rot b where b.expected_hash = c.hash and b.file_id not in (select id from doomed_files))

-- name: files_that_stay
-- Files of the office that hold what was sent with these mails.
select distinct f.raw_path from public.files f join doomed_attachments d on d.content_hash = f.content_hash
where f.deleted_at is null and f.id not in (select id from doomed_files)

-- name: folders_that_stay
-- Attachments of others' comments lie in folders that are called as the conversation was, which may be as a mail that goes.
select distinct a.raw_inbox_path from public.email_attachments a join public.email_comments c on c.id = a.comment_id
where a.raw_inbox_path is not null and c.missive_conversation_id in (select conversation from doomed_emails) and a.id not in (select id from doomed_attachments)

-- name: mails_that_stay
-- Others' mails in the same conversations: they may quote.
select count(*) from public.emails e
where e.missive_conversation_id in (select conversation from doomed_emails) and e.missive_id not in (select missive_id from doomed_emails)

-- name: teamwork_people
select count(*) from public.people where email = any(%(addresses)s::text[])

-- name: count_recipients
select count(*) from public.email_recipients r join public.emails e on e.id = r.email_id
where r.address = any(%(addresses)s::text[]) and e.missive_id not in (select missive_id from doomed_emails)

-- name: count_doomed_attachments
select count(*) from doomed_attachments where (%(email)s::text is null or email = %(email)s) and (%(comment)s::text is null or comment = %(comment)s)

-- name: webhook_posts
select id, body from ops.webhook_deliveries where vendor = 'missive' and encode(body, 'escape') ilike any(%(patterns)s::text[])

-- name: content_hashes
-- Contents of a mail's or comment's attachments, and of the files that were put onto the NAS for them.
with mine as (
    select content_hash, raw_inbox_path from doomed_attachments where email = %(email)s or comment = %(comment)s
)
select content_hash from mine where content_hash is not null
union
select v.content_hash from mine
cross join lateral (
    select id from public.files where deleted_at is null and sha256(raw_path) = sha256(mine.raw_inbox_path)
    union all
    select id from public.files where deleted_at is not null and sha256(raw_path) = sha256(mine.raw_inbox_path)
) f
join public.file_versions v on v.file_id = f.id
where v.content_hash is not null
order by 1

-- name: attachments_of
select id, missive_id from public.email_attachments where missive_email_id = %(email)s or missive_comment_id = %(comment)s

-- name: delete_attachments
delete from public.email_attachments where id = any(%(ids)s::bigint[])

-- name: delete_raw
delete from ops.raw_records where source = 'missive' and kind = %(kind)s and vendor_id = any(%(ids)s::text[])

-- name: delete_email
delete from public.emails where missive_id = %(email)s

-- name: delete_comment
delete from public.email_comments where missive_id = %(comment)s

-- name: delete_contact
delete from public.contacts where missive_id = %(id)s

-- name: unlink_user
with gone as (select id from public.missive_users where missive_id = %(id)s),
     a as (update public.missive_team_members set user_id = null where user_id in (select id from gone)),
     b as (update public.conversation_assignees set user_id = null where user_id in (select id from gone)),
     c as (update public.conversation_users set user_id = null where user_id in (select id from gone)),
     d as (update public.email_comment_mentions set user_id = null where user_id in (select id from gone)),
     e as (update public.email_comment_task_assignees set user_id = null where user_id in (select id from gone))
update public.email_comments set author_id = null where author_id in (select id from gone)

-- name: delete_user
delete from public.missive_users where missive_id = %(id)s

-- name: keep_forgotten_message
insert into ops.forgotten_messages (missive_id, missive_conversation_id) values (%(email)s, %(conversation)s) on conflict (missive_id) do nothing

-- name: read_raw
select body from ops.raw_records where source = 'missive' and kind = %(kind)s and vendor_id = %(id)s and body is not null for update

-- name: write_raw
update ops.raw_records set body = %(body)s where source = 'missive' and kind = %(kind)s and vendor_id = %(id)s

-- name: set_subject
update public.conversations set subject = coalesce(nullif(%(renamed)s, ''), nullif(%(latest)s, ''))
where missive_id = %(id)s and subject is distinct from coalesce(nullif(%(renamed)s, ''), nullif(%(latest)s, ''))

-- name: delete_recipients
-- Those who stay are counted anew, as the next reading of the mail counts them.
with touched as (
    select distinct r.email_id, r.kind from public.email_recipients r where r.address = any(%(addresses)s::text[]) order by 1, 2 limit 500
), taken as (
    delete from public.email_recipients r using touched t where (r.email_id, r.kind) = (t.email_id, t.kind)
    returning r.email_id, r.kind, r.ordinal, r.address, r.name
), put_back as (
    insert into public.email_recipients (email_id, kind, ordinal, address, name)
    select email_id, kind, row_number() over (partition by email_id, kind order by ordinal) - 1, address, name
    from taken where address is null or address <> all(%(addresses)s::text[])
    returning 1
)
select (select count(*) from taken) - (select count(*) from put_back)

-- name: delete_webhook_posts
delete from ops.webhook_deliveries where id = any(%(ids)s::bigint[])

-- name: release_files
update public.email_attachments set file_id = null where file_id = any(%(files)s::bigint[])

-- name: delete_file_rows
with a as (delete from ops.refused_deletions where file_id = any(%(files)s::bigint[])),
     b as (delete from ops.bit_rot where file_id = any(%(files)s::bigint[])),
     c as (delete from ops.disk_entries where file_id = any(%(files)s::bigint[])),
     d as (delete from public.file_versions where file_id = any(%(files)s::bigint[]))
delete from public.files where id = any(%(files)s::bigint[])

-- name: delete_traces_of_path
-- What the scanner and the live lane keep by path: of the file, and of the mail's folder. An alert whose trouble is still there is opened anew.
with a as (delete from ops.path_problems where raw_path = any(%(raw_paths)s::bytea[])),
     b as (delete from ops.hashed_candidates where raw_path_digest in (select sha256(p) from unnest(%(raw_paths)s::bytea[]) as p)),
     c as (update ops.inbox set label = %(neutral)s where source = 'content' and label = any(%(paths)s::text[])),
     d as (delete from ops.alerts a where exists (select from unnest(%(paths)s::text[]) as path where position(path in a.title || ' ' || a.body) > 0))
delete from ops.inbox where source = 'nas' and key = any(%(raw_paths)s::bytea[])

-- name: rename_history
-- Of a file that people moved out of the inbox: it is theirs now, but where it first lay names the sender.
update public.file_versions v set raw_path = %(neutral_raw)s, path = %(neutral)s
from public.files f
where f.id = v.file_id and f.id in (select d.file_id from doomed_attachments d where d.raw_inbox_path = %(raw_path)s)
  and v.raw_path = %(raw_path)s and v.valid_to is not null and (f.raw_path <> %(raw_path)s or f.deleted_at is not null)

-- name: note_paths
insert into ops.paths_to_forget (raw_path) select unnest(%(raw_paths)s::bytea[]) on conflict do nothing

-- name: noted_paths
select raw_path from ops.paths_to_forget order by raw_path

-- name: paths_are_gone
delete from ops.paths_to_forget where raw_path = any(%(raw_paths)s::bytea[])

-- name: count_accesses
select count(*) from ops.access_log where lower(who) = any(%(addresses)s::text[]) or lower(split_part(who, ' (', 1)) = any(%(addresses)s::text[])

-- name: forget_accesses_of
-- What was read stays until its time is over; who it was goes.
update ops.access_log set who = null where lower(who) = any(%(addresses)s::text[]) or lower(split_part(who, ' (', 1)) = any(%(addresses)s::text[])

-- name: saved_searches
select count(*) from search.saved_searches where lower(name || ' ' || query) like any(%(patterns)s::text[])

-- name: begin_run
insert into ops.forget_runs (requested_by, addresses, stays) values (%(requested_by)s, %(addresses)s, %(stays)s) returning id

-- name: record_run
update ops.forget_runs set removed = %(removed)s where id = %(id)s

-- name: finish_run
update ops.forget_runs set finished_at = now() where id = %(id)s

-- name: complete
update ops.forgotten set completed_at = now() where id = any(%(ids)s::bigint[])
