-- What search.documents is made of (ibhelm_pipelines/search/documents.py). Each statement named ..._source gives one row for each live thing of its kind, with the
-- same columns; `digest` is made of all of them but the texts, for which text_mark stands. Lateral, so that a few are read as well as all.

-- name: file_source
select f.id as item_id, f.name as title, left(f.path, -length(f.name) - 1) as context,
       array_remove(array[p.name, m.name, d.name, c.title, c.author], null) || g.labels || l.labels || o.names as labels,
       array_remove(array[f.path, p.name, m.name], null) as names, t.text as body, '' as quoted,
       row(f.content_hash, octet_length(t.text),
           (select max(r.finished_at) from ops.step_results r where r.content_hash = f.content_hash and r.step = 'text' and r.state = 'ok'))::text as text_mark,
       coalesce(octet_length(t.text), 0) as text_bytes,
       array_remove(array[p.id], null) as project_ids, array_remove(array[p.company_id], null) as company_ids, g.numbers as cost_groups, l.ids as location_ids,
       o.ids as person_ids, f.document_type_id, nullif(f.extension, '') as extension, c.language, f.content_hash, f.modified_at as occurred_at
from public.files f
left join public.content_texts t on t.content_hash = f.content_hash
left join public.contents c on c.hash = f.content_hash
left join public.projects p on p.id = f.project_id and p.deleted_at is null
left join public.companies m on m.id = p.company_id
left join public.document_types d on d.id = f.document_type_id
cross join lateral (
    select coalesce(array_agg(g.number order by g.number), '{}') as numbers, coalesce(array_agg('KG ' || g.label order by g.number), '{}') as labels
    from public.file_cost_groups b join public.cost_groups g on g.id = b.cost_group_id where b.file_id = f.id) as g
cross join lateral (
    select coalesce(array_agg(l.id order by l.id), '{}') as ids, coalesce(array_agg(l.label order by l.id), '{}') as labels
    from public.file_locations b join public.locations l on l.id = b.location_id where b.file_id = f.id) as l
cross join lateral (
    select coalesce(array_agg(distinct i.person_id), '{}') as ids, coalesce(array_agg(distinct i.person), '{}') as names
    from search.identities i
    where i.kind = 'file_owner' and i.key = lower(btrim(normalize(regexp_replace(f.created_by, '^.*\\', ''), nfc)))) as o
where f.deleted_at is null

-- name: email_source
select e.id as item_id, coalesce(nullif(btrim(e.subject), ''), btrim(c.subject), '') as title,
       coalesce(nullif(btrim(e.from_name), ''), e.from_address, '') || coalesce(' → ' || r.told, '') as context,
       p.names || p.companies || g.labels || l.labels || o.names || k.labels || a.names || r.names as labels,
       p.names || a.names || array_remove(array[e.from_name, e.from_address], null) || r.names || r.addresses as names,
       e.body_text as body, concat_ws(E'\n', b.quoted_text, b.signature) as quoted,
       row(md5(e.body_text), octet_length(b.quoted_text), octet_length(b.signature))::text as text_mark,
       coalesce(octet_length(e.body_text), 0) + coalesce(octet_length(b.quoted_text), 0) as text_bytes,
       p.ids as project_ids, p.company_ids, g.numbers as cost_groups, l.ids as location_ids, o.ids as person_ids,
       null::bigint as document_type_id, null as extension, e.language, null as content_hash,
       coalesce(e.delivered_at, e.created_at, c.last_activity_at, 'epoch') as occurred_at
from public.emails e
join public.conversations c on c.id = e.conversation_id and c.deleted_at is null and c.state in ('open', 'closed')
left join public.email_bodies b on b.email_id = e.id
cross join lateral (
    select coalesce(array_agg(p.id order by p.id), '{}') as ids, coalesce(array_agg(p.name order by p.id), '{}') as names,
           coalesce(array_agg(distinct p.company_id) filter (where p.company_id is not null), '{}') as company_ids,
           coalesce(array_agg(distinct m.name) filter (where m.name is not null), '{}') as companies
    from public.conversation_projects b join public.projects p on p.id = b.project_id and p.deleted_at is null left join public.companies m on m.id = p.company_id
    where b.conversation_id = c.id) as p
cross join lateral (
    select coalesce(array_agg(g.number order by g.number), '{}') as numbers, coalesce(array_agg('KG ' || g.label order by g.number), '{}') as labels
    from public.conversation_cost_groups b join public.cost_groups g on g.id = b.cost_group_id where b.conversation_id = c.id) as g
cross join lateral (
    select coalesce(array_agg(l.id order by l.id), '{}') as ids, coalesce(array_agg(l.label order by l.id), '{}') as labels
    from public.conversation_locations b join public.locations l on l.id = b.location_id where b.conversation_id = c.id) as l
cross join lateral (
    select coalesce(array_agg(l.name order by l.id), '{}') as labels
    from public.conversation_labels b join public.labels l on l.id = b.label_id and l.deleted_at is null where b.conversation_id = c.id) as k
cross join lateral (
    select coalesce(array_agg(a.name order by a.id), '{}') as names
    from public.email_attachments a where a.email_id = e.id and a.deleted_at is null and not a.is_inline) as a
cross join lateral (
    select string_agg(coalesce(nullif(btrim(r.name), ''), r.address), ', ' order by r.kind = 'to' desc, r.kind, r.ordinal) filter (where r.kind <> 'reply_to') as told,
           coalesce(array_agg(distinct r.name) filter (where r.name <> ''), '{}') as names,
           coalesce(array_agg(distinct r.address) filter (where r.address is not null), '{}') as addresses
    from public.email_recipients r where r.email_id = e.id) as r
cross join lateral (
    select coalesce(array_agg(distinct i.person_id), '{}') as ids, coalesce(array_agg(distinct i.person), '{}') as names
    from search.identities i
    join unnest(e.from_address || r.addresses) as address on i.kind = 'address' and i.key = lower(btrim(normalize(address, nfc)))) as o
where e.deleted_at is null

-- name: email_comment_source
select k.id as item_id, coalesce(btrim(c.subject), '') as title, coalesce(nullif(btrim(k.author_name), ''), k.author_email, '') as context,
       p.names || p.companies || g.labels || l.labels || o.names || array_remove(array[k.task], null) as labels,
       p.names || array_remove(array[k.author_name, k.author_email], null) as names,
       k.body, '' as quoted, md5(k.body) as text_mark, coalesce(octet_length(k.body), 0) as text_bytes,
       p.ids as project_ids, p.company_ids, g.numbers as cost_groups, l.ids as location_ids, o.ids as person_ids,
       null::bigint as document_type_id, null as extension, null as language, null as content_hash,
       coalesce(k.created_at, c.last_activity_at, 'epoch') as occurred_at
from public.email_comments k
join public.conversations c on c.id = k.conversation_id and c.deleted_at is null and c.state in ('open', 'closed')
cross join lateral (
    select coalesce(array_agg(p.id order by p.id), '{}') as ids, coalesce(array_agg(p.name order by p.id), '{}') as names,
           coalesce(array_agg(distinct p.company_id) filter (where p.company_id is not null), '{}') as company_ids,
           coalesce(array_agg(distinct m.name) filter (where m.name is not null), '{}') as companies
    from public.conversation_projects b join public.projects p on p.id = b.project_id and p.deleted_at is null left join public.companies m on m.id = p.company_id
    where b.conversation_id = c.id) as p
cross join lateral (
    select coalesce(array_agg(g.number order by g.number), '{}') as numbers, coalesce(array_agg('KG ' || g.label order by g.number), '{}') as labels
    from public.conversation_cost_groups b join public.cost_groups g on g.id = b.cost_group_id where b.conversation_id = c.id) as g
cross join lateral (
    select coalesce(array_agg(l.id order by l.id), '{}') as ids, coalesce(array_agg(l.label order by l.id), '{}') as labels
    from public.conversation_locations b join public.locations l on l.id = b.location_id where b.conversation_id = c.id) as l
cross join lateral (
    select coalesce(array_agg(distinct i.person_id), '{}') as ids, coalesce(array_agg(distinct i.person), '{}') as names
    from search.identities i
    where i.missive_user_id = k.author_id or i.kind = 'address' and i.key = lower(btrim(normalize(k.author_email, nfc)))) as o
where k.deleted_at is null

-- name: task_source
select t.id as item_id, t.name as title, concat_ws(' › ', p.name, s.name) as context,
       array_remove(array[m.name, t.task_type], null) || g.labels || l.labels || o.names || x.tags as labels,
       array_remove(array[p.name, m.name, s.name], null) || x.tags as names,
       t.description as body, '' as quoted, md5(t.description) as text_mark, coalesce(octet_length(t.description), 0) as text_bytes,
       array_remove(array[p.id], null) as project_ids, array_remove(array[p.company_id], null) as company_ids, g.numbers as cost_groups, l.ids as location_ids,
       o.ids as person_ids, null::bigint as document_type_id, null as extension, null as language, null as content_hash,
       coalesce(t.updated_at, t.created_at, 'epoch') as occurred_at
from public.tasks t
left join public.task_lists s on s.id = t.task_list_id
left join public.projects p on p.id = t.project_id and p.deleted_at is null
left join public.companies m on m.id = p.company_id
cross join lateral (
    select coalesce(array_agg(g.number order by g.number), '{}') as numbers, coalesce(array_agg('KG ' || g.label order by g.number), '{}') as labels
    from public.task_cost_groups b join public.cost_groups g on g.id = b.cost_group_id where b.task_id = t.id) as g
cross join lateral (
    select coalesce(array_agg(l.id order by l.id), '{}') as ids, coalesce(array_agg(l.label order by l.id), '{}') as labels
    from public.task_locations b join public.locations l on l.id = b.location_id where b.task_id = t.id) as l
cross join lateral (
    select coalesce(array_agg(distinct i.person_id), '{}') as ids, coalesce(array_agg(distinct i.person), '{}') as names
    from search.identities i
    where i.teamwork_person_id in (select t.creator_id union all select t.completer_id union all select a.person_id from public.task_assignees a where a.task_id = t.id)
    ) as o
cross join lateral (
    select array(select g.name from public.task_tags b join public.tags g on g.id = b.tag_id where b.task_id = t.id and g.deleted_at is null
                 union
                 select c.name || ' ' || v.value from public.task_custom_values v join public.custom_fields c on c.id = v.custom_field_id
                 where v.task_id = t.id and c.deleted_at is null order by 1) as tags) as x
where t.deleted_at is null and t.state <> 'deleted'

-- name: task_comment_source
select k.id as item_id, t.name as title, concat_ws(' › ', h.name, p.name, s.name) as context,
       array_remove(array[m.name], null) || g.labels || l.labels || o.names as labels, array_remove(array[p.name, m.name, s.name, h.name], null) as names,
       k.body, '' as quoted, md5(k.body) as text_mark, coalesce(octet_length(k.body), 0) as text_bytes,
       array_remove(array[p.id], null) as project_ids, array_remove(array[p.company_id], null) as company_ids, g.numbers as cost_groups, l.ids as location_ids,
       o.ids as person_ids, null::bigint as document_type_id, null as extension, null as language, null as content_hash,
       coalesce(k.updated_at, k.created_at, 'epoch') as occurred_at
from public.task_comments k
join public.tasks t on t.id = k.task_id and t.deleted_at is null and t.state <> 'deleted'
left join public.task_lists s on s.id = t.task_list_id
left join public.people h on h.id = k.author_id
left join public.projects p on p.id = t.project_id and p.deleted_at is null
left join public.companies m on m.id = p.company_id
cross join lateral (
    select coalesce(array_agg(g.number order by g.number), '{}') as numbers, coalesce(array_agg('KG ' || g.label order by g.number), '{}') as labels
    from public.task_cost_groups b join public.cost_groups g on g.id = b.cost_group_id where b.task_id = t.id) as g
cross join lateral (
    select coalesce(array_agg(l.id order by l.id), '{}') as ids, coalesce(array_agg(l.label order by l.id), '{}') as labels
    from public.task_locations b join public.locations l on l.id = b.location_id where b.task_id = t.id) as l
cross join lateral (
    select coalesce(array_agg(distinct i.person_id), '{}') as ids, coalesce(array_agg(distinct i.person), '{}') as names
    from search.identities i where i.teamwork_person_id = k.author_id) as o
where k.deleted_at is null

-- name: digest
-- Of a row of a source: whatever is written into a document follows from this, and from the version of the code.
md5(row(%(version)s::text, s.title, s.context, s.labels, s.names, s.text_mark, s.project_ids, s.company_ids, s.cost_groups, s.location_ids, s.person_ids,
        s.document_type_id, s.extension, s.language, s.content_hash, s.occurred_at)::text)::uuid

-- name: use_memory
-- The sources are planned for all things, and compiling that takes longer than running it.
select set_config('work_mem', '64MB', false), set_config('jit', 'off', false)

-- name: drop_found
drop table if exists found_items

-- name: find
-- What has no document that is made of what it is now, and documents of what is gone. A full join, because the planner knows too little of a table that was filled
-- a minute ago to be left the choice of a nested loop.
create temp table found_items as
select coalesce(s.item_id, d.item_id) as item_id, coalesce(s.text_bytes, 0) as text_bytes, s.item_id is null as is_dead
from (select s.item_id, s.text_bytes, {digest} as digest from ({source}) as s where {condition}) as s
full join (select item_id, digest from search.documents where kind = %(kind)s and {condition}) as d using (item_id)
where %(everything)s or d.digest is distinct from s.digest and (d.item_id is not null or not %(known_only)s)
      and (s.item_id is null or not exists (select from ops.failed_documents x where x.kind = %(kind)s and x.item_id = s.item_id and x.digest = s.digest))

-- name: index_found
create index on found_items (item_id)

-- name: next_stale
select item_id, text_bytes from found_items where not is_dead and item_id > %(after)s order by item_id limit %(size)s

-- name: of_these
item_id = any(%(ids)s)

-- name: of_all
true

-- name: dead
select item_id from found_items where is_dead order by item_id

-- name: drop_dead
-- Those that are still dead, and that nobody else is deleting.
with held as materialized (
    select id from search.documents where kind = %(kind)s and item_id = any(%(ids)s) order by id for update skip locked
)
delete from search.documents d using held h
where d.id = h.id and d.item_id <> all(array(select s.item_id from ({source}) as s where s.item_id = any(%(ids)s)))

-- name: failures
select item_id from ops.failed_documents where kind = %(kind)s

-- name: drop_dead_failures
delete from ops.failed_documents x
where x.kind = %(kind)s and x.item_id = any(%(ids)s) and x.item_id <> all(array(select s.item_id from ({source}) as s where s.item_id = any(%(ids)s)))

-- name: note_failure
insert into ops.failed_documents (kind, item_id, digest, error) values (%(kind)s, %(item_id)s, %(digest)s, %(error)s)
on conflict (kind, item_id) do update set digest = excluded.digest, error = excluded.error, failed_at = now()

-- name: forget_failures
delete from ops.failed_documents where kind = %(kind)s and item_id = any(%(ids)s)

-- name: read
select s.item_id, s.title, s.context, s.labels, s.names, left(s.body, %(body_characters)s) as body, left(s.quoted, %(quoted_characters)s) as quoted,
       s.project_ids, s.company_ids, s.cost_groups, s.location_ids, s.person_ids, s.document_type_id, s.extension, s.language, s.content_hash, s.occurred_at,
       {digest} as digest
from ({source}) as s where s.item_id = any(%(ids)s) order by s.item_id

-- name: lock_writing
-- For the transaction: of two runs the later one sees what the earlier one wrote, and counts are added by one at a time.
select pg_advisory_xact_lock(hashtextextended('ibhelm search', 0))

-- name: hold_files
-- What somebody is changing now is left to the next look: nobody waits for us, and what is deleted meanwhile is not written afterwards.
select id from public.files where id = any(%(ids)s) order by id for share skip locked

-- name: hold_emails
select id from public.emails where id = any(%(ids)s) order by id for share skip locked

-- name: hold_email_comments
select id from public.email_comments where id = any(%(ids)s) order by id for share skip locked

-- name: hold_tasks
select id from public.tasks where id = any(%(ids)s) order by id for share skip locked

-- name: hold_task_comments
select id from public.task_comments where id = any(%(ids)s) order by id for share skip locked

-- name: create_fresh
create temp table fresh (
    item_id bigint, title text, context text, body text, names text, words text, vocabulary text[], text_key uuid, project_ids bigint[], company_ids bigint[],
    cost_groups integer[], location_ids bigint[], person_ids bigint[], document_type_id bigint, extension text, language text, content_hash text,
    occurred_at timestamptz, digest uuid
) on commit drop

-- name: copy_fresh
copy fresh from stdin

-- name: hold_documents
-- Nobody deletes them between the reading of their old words and the writing of the new ones. Returns those that somebody is deleting now: to wait for whoever may
-- wait for what we hold would be a deadlock.
with held as materialized (
    select id from search.documents where kind = %(kind)s and item_id in (select item_id from fresh) order by id for update skip locked
)
select d.item_id from search.documents d
where d.kind = %(kind)s and d.item_id in (select item_id from fresh) and not exists (select from held h where h.id = d.id)

-- name: write
-- Those that are still made of what was read, where that is not what stands there; and the frequencies of what came and went with it.
with old as materialized (
    select d.item_id, d.words, d.vocabulary from search.documents d join fresh f on d.kind = %(kind)s and d.item_id = f.item_id
), now_read as materialized (
    -- Asked for by their ids: the planner would read all things for the join.
    select s.item_id, {digest} as digest from ({source}) as s where s.item_id = any(%(ids)s)
), current as materialized (
    select f.* from fresh f join now_read n on n.item_id = f.item_id and n.digest = f.digest
), written as (
    insert into search.documents as d (kind, item_id, title, context, body, names, words, vocabulary, text_key, project_ids, company_ids, cost_groups,
                                       location_ids, person_ids, document_type_id, extension, language, content_hash, occurred_at, digest)
    select %(kind)s, f.item_id, f.title, f.context, f.body, f.names, f.words::tsvector, f.vocabulary, f.text_key, f.project_ids, f.company_ids, f.cost_groups,
           f.location_ids, f.person_ids, f.document_type_id, f.extension, f.language, f.content_hash, f.occurred_at, f.digest
    from current f order by f.item_id
    on conflict (kind, item_id) do update set
        title = excluded.title, context = excluded.context, body = excluded.body, names = excluded.names, words = excluded.words,
        vocabulary = excluded.vocabulary, text_key = excluded.text_key, project_ids = excluded.project_ids, company_ids = excluded.company_ids,
        cost_groups = excluded.cost_groups, location_ids = excluded.location_ids, person_ids = excluded.person_ids,
        document_type_id = excluded.document_type_id, extension = excluded.extension, language = excluded.language, content_hash = excluded.content_hash,
        occurred_at = excluded.occurred_at, digest = excluded.digest, indexed_at = now()
    where (d.title, d.context, d.body, d.names, d.words, d.vocabulary, d.text_key, d.project_ids, d.company_ids, d.cost_groups, d.location_ids, d.person_ids,
           d.document_type_id, d.extension, d.language, d.content_hash, d.occurred_at, d.digest)
          is distinct from
          (excluded.title, excluded.context, excluded.body, excluded.names, excluded.words, excluded.vocabulary, excluded.text_key, excluded.project_ids,
           excluded.company_ids, excluded.cost_groups, excluded.location_ids, excluded.person_ids, excluded.document_type_id, excluded.extension,
           excluded.language, excluded.content_hash, excluded.occurred_at, excluded.digest)
    returning d.item_id, d.words, d.vocabulary
), noted as (
    insert into counted (change, lexemes, vocabulary)
    select 1, tsvector_to_array(w.words), w.vocabulary from written w
    union all
    select -1, tsvector_to_array(o.words), o.vocabulary from old o join written w using (item_id)
)
select (select count(*) from current), (select count(*) from written)

-- name: create_counted
create temp table counted (change integer, lexemes text[], vocabulary text[]) on commit drop

-- name: take_uncounted
with gone as (delete from search.uncounted returning lexemes, vocabulary)
insert into counted (change, lexemes, vocabulary) select -1, lexemes, vocabulary from gone

-- name: count_lexemes
merge into search.lexemes as l
using (select lexeme, sum(c.change)::integer as change from counted c cross join unnest(c.lexemes) as lexeme group by lexeme having sum(c.change) <> 0) as n
    on l.lexeme = n.lexeme
when matched and l.documents + n.change <= 0 then delete
when matched then update set documents = l.documents + n.change
when not matched then insert (lexeme, documents) values (n.lexeme, n.change)

-- name: count_vocabulary
merge into search.vocabulary as v
using (select word, sum(c.change)::integer as change from counted c cross join unnest(c.vocabulary) as word group by word having sum(c.change) <> 0) as n
    on v.word = n.word
when matched and v.documents + n.change <= 0 then delete
when matched then update set documents = v.documents + n.change
when not matched then insert (word, documents) values (n.word, n.change)

-- name: has_uncounted
select exists (select from search.uncounted)

-- name: count_documents
select kind, count(*) from search.documents group by kind order by kind

-- name: count_words
select count(*) from search.vocabulary

-- name: note_run
with old as (delete from ops.search_runs where finished_at < now() - interval '7 days')
insert into ops.search_runs (started_at, finished_at, counts) values (now() - %(seconds)s * interval '1 second', now(), %(counts)s)
