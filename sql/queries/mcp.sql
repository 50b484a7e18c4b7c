-- What an assistant is told of items and projects beside what the search says of documents (ibhelm_pipelines/mcp_server/).

-- name: document_of
select id from search.documents where kind = %(kind)s and item_id = %(item_id)s

-- name: places
-- As search.hits has them, in the order of the ids.
select d.id as document_id, 0::float8 as score, null::bigint as words_rank, null::bigint as names_rank, null::bigint as vectors_rank, null::integer as ordinal
from unnest(%(ids)s::bigint[]) with ordinality as asked (id, place) join search.documents d on d.id = asked.id
order by asked.place

-- name: text_of_file
-- All of it: documents hold its beginning.
select t.text from public.files f join public.content_texts t on t.content_hash = f.content_hash where f.id = %(item_id)s

-- name: details_of_file
select jsonb_build_object('path', f.path, 'size_bytes', f.size_bytes, 'modified_at', f.modified_at, 'owner', f.created_by, 'note', f.note,
                          'media_type', c.media_type, 'pages', c.page_count, 'author', c.author, 'first_seen_at', f.first_seen_at)
from public.files f left join public.contents c on c.hash = f.content_hash
where f.id = %(item_id)s

-- name: details_of_email
select jsonb_build_object('from_address', m.from_address, 'sent_at', m.delivered_at, 'conversation_id', c.id, 'conversation', c.subject, 'state', c.state,
                          'labels', (select jsonb_agg(l.full_name order by l.full_name) from public.conversation_labels b join public.labels l on l.id = b.label_id
                                     where b.conversation_id = c.id))
from public.emails m left join public.conversations c on c.id = m.conversation_id
where m.id = %(item_id)s

-- name: details_of_email_comment
select jsonb_build_object('conversation_id', c.id, 'conversation', c.subject, 'task', n.task, 'task_state', n.task_state, 'task_due_at', n.task_due_at)
from public.email_comments n left join public.conversations c on c.id = n.conversation_id
where n.id = %(item_id)s

-- name: details_of_task
select jsonb_build_object('state', t.state, 'type', t.task_type, 'list', l.name, 'priority', t.priority, 'progress', t.progress, 'starts_on', t.starts_on,
                          'due_on', t.due_on, 'completed_at', t.completed_at, 'completed_by', p.name, 'estimate_minutes', t.estimate_minutes,
                          'parent', case when t.parent_id is not null then 'task:' || t.parent_id end,
                          'minutes_spent', (select sum(e.minutes) from public.time_entries e where e.task_id = t.id and e.deleted_at is null),
                          'tags', (select jsonb_agg(g.name order by g.name) from public.task_tags b join public.tags g on g.id = b.tag_id where b.task_id = t.id))
from public.tasks t left join public.task_lists l on l.id = t.task_list_id left join public.people p on p.id = t.completer_id
where t.id = %(item_id)s

-- name: details_of_task_comment
select jsonb_build_object('task', 'task:' || t.id, 'task_name', t.name)
from public.task_comments c left join public.tasks t on t.id = c.task_id
where c.id = %(item_id)s

-- name: attachments_of
-- A file of the NAS with the same content, first the one that was put there for this attachment.
select a.name, a.size_bytes, same.id as file_id, a.download_url as url, a.skip_reason
from public.email_attachments a
left join lateral (
    select f.id from public.files f where f.content_hash = a.content_hash and f.deleted_at is null order by f.id is distinct from a.file_id, f.id limit 1
) as same on true
where a.deleted_at is null and not a.is_inline
  and ((%(kind)s = 'email' and a.email_id = %(item_id)s) or (%(kind)s = 'email_comment' and a.comment_id = %(item_id)s))
order by a.name, a.id limit 100

-- name: projects
select id, name, number from public.projects where deleted_at is null order by archived_at is not null, name, id

-- name: project
select p.id, p.number, p.name, c.name as customer, p.status, p.description, p.note, p.starts_on, p.ends_on, p.url,
       array(select f.folder from public.project_folders f where f.project_id = p.id order by f.folder limit 20) as folders
from public.projects p left join public.companies c on c.id = p.company_id
where p.id = %(id)s

-- name: participants
select o.name, c.name as company, coalesce(b.role, nullif(b.roles, '')) as role, o.is_colleague, o.email, b.mails, b.tasks, b.last_contact_at as last_contact
from public.project_participants b join public.persons o on o.id = b.person_id left join public.companies c on c.id = o.company_id
where b.project_id = %(id)s and o.deleted_at is null and o.merged_into_id is null
order by b.mails + b.tasks + b.comments + b.files desc, o.name limit 30

-- name: counts
select kind, count(*) from search.documents where project_ids @> array[%(id)s::bigint] group by kind
union all
select 'open_task', count(*) from public.tasks where project_id = %(id)s and state = 'open' and deleted_at is null
order by 1

-- name: cost_groups_of_project
select g.label, count(*) from search.documents d cross join unnest(d.cost_groups) as n join public.cost_groups g on g.number = n
where d.project_ids @> array[%(id)s::bigint]
group by g.number, g.label order by g.number limit 100

-- name: newest_of_project
select id from search.documents where project_ids @> array[%(id)s::bigint] order by occurred_at desc, id desc limit 15

-- name: limit_session
-- For this transaction, beside what the role itself is limited to (sql/migrations/0020_reader.sql).
select set_config('statement_timeout', '5s', true), set_config('lock_timeout', '1s', true),
       set_config('idle_in_transaction_session_timeout', '10s', true), set_config('max_parallel_workers_per_gather', '0', true)

-- name: is_one_query
-- Postgres takes exactly one SELECT here, and runs nothing.
declare asked no scroll cursor for {query}

-- name: answer
-- Each row as JSON; of one that is too large only its size. The query was taken above, so it ends where the bracket closes.
select case when octet_length(line) <= {most} then line end, octet_length(line) from (select to_json(answer)::text as line from (
{query}
) as answer limit {limit}) as lines

-- name: tables
select c.relname as name, obj_description(c.oid, 'pg_class') as comment, case when c.relkind <> 'v' then greatest(c.reltuples, 0)::bigint end as rows,
       array(select a.attname from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attnum)::text[] as columns
from pg_class c
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm') and has_table_privilege(c.oid, 'select')
order by c.relname

-- name: table
select c.relname as name, obj_description(c.oid, 'pg_class') as comment, case when c.relkind <> 'v' then greatest(c.reltuples, 0)::bigint end as rows,
       array(
           select a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || coalesce(' -> ' || r.target, '') || coalesce(' -- ' || col_description(c.oid, a.attnum), '')
           from pg_attribute a
           left join lateral (select k.confrelid::regclass::text as target from pg_constraint k where k.conrelid = c.oid and k.contype = 'f' and k.conkey = array[a.attnum] limit 1) as r on true
           where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attnum
       )::text[] as columns
from pg_class c
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm') and has_table_privilege(c.oid, 'select') and c.relname = any(%(names)s::text[])
order by c.relname
