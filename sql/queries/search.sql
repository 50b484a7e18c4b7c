-- What the search asks beside search.hits (migration 0018): frequencies, names behind filters, what hits are called, counts by facet.

-- name: begin_asking
-- All that is asked for one search is of the same moment.
set transaction isolation level repeatable read, read only

-- name: limit_asking
select set_config('statement_timeout', %(milliseconds)s, true)

-- name: frequencies
select lexeme, documents from search.lexemes where lexeme = any(%(lexemes)s)

-- name: documents_in_all
-- About: for weights the order of magnitude is enough.
select greatest(reltuples, 1)::bigint from pg_class where oid = 'search.documents'::regclass

-- name: similar_words
select word, documents from search.vocabulary where word %% %(word)s order by similarity(word, %(word)s) desc, documents desc, word limit 20

-- name: beginning_words
select word, documents from search.vocabulary where word ^@ %(beginning)s and word <> %(beginning)s order by documents desc, word limit %(limit)s

-- name: serving_model
select id, name, version, dimensions from search.models where state = 'serving'

-- name: hits
select document_id, score, words_rank, names_rank, vectors_rank, ordinal
from search.hits(%(steps)s::text[]::tsquery[], %(excluded)s::text::tsquery, %(terms)s::text[]::tsquery[], %(weights)s::real[], %(parts)s::text[], %(typed)s, %(vector)s::halfvec,
                 %(model)s::smallint, %(filters)s, %(newest)s)

-- name: matches
-- All documents with all words, up to a limit.
select search.matches(%(all_words)s::text::tsquery, %(excluded)s::text::tsquery, %(filters)s, %(newest)s, %(limit)s)

-- name: newest_document
select coalesce(max(id), 0) from search.documents

-- name: projects
select id, name, number from public.projects where deleted_at is null order by name, id

-- name: companies
select id, name from public.companies where deleted_at is null order by name, id

-- name: document_types
select id, name from public.document_types order by name

-- name: locations
select id, label as name from public.locations order by label, id

-- name: persons
select id, name, coalesce(email, '') as email from public.persons where deleted_at is null and merged_into_id is null order by name, id

-- name: extensions
select distinct extension from search.documents where extension = any(%(extensions)s)

-- name: described
-- What people read of documents, in the order of the ids.
select d.id, d.kind, d.item_id, d.title, d.context, d.occurred_at, d.extension, case when %(with_body)s then d.body end as body, d.language, d.content_hash, d.text_key,
       coalesce(p.projects, '[]') as projects, t.name as document_type, coalesce(g.labels, '{}') as cost_groups,
       f.thumbnail::jsonb #>> '{0,url}' as preview_url, f.nas_url, f.size_bytes,
       coalesce(f.download_url, task.url, conversation.url) as url,
       chunk.page, chunk.start_at, chunk.length
from unnest(%(ids)s::bigint[], %(ordinals)s::integer[]) with ordinality as asked (id, ordinal, place)
join search.documents d on d.id = asked.id
left join lateral (
    select jsonb_agg(jsonb_build_array(p.id, p.name) order by p.name, p.id) as projects from public.projects p where p.id = any(d.project_ids)
) as p on true
left join lateral (select array_agg(g.label order by g.number) as labels from public.cost_groups g where g.number = any(d.cost_groups)) as g on true
left join public.document_types t on t.id = d.document_type_id
left join public.files f on d.kind = 'file' and f.id = d.item_id
left join public.emails mail on d.kind = 'email' and mail.id = d.item_id
left join public.email_comments note on d.kind = 'email_comment' and note.id = d.item_id
left join public.conversations conversation on conversation.id = coalesce(mail.conversation_id, note.conversation_id)
left join public.task_comments remark on d.kind = 'task_comment' and remark.id = d.item_id
left join public.tasks task on task.id = case d.kind when 'task' then d.item_id else remark.task_id end
left join search.chunks chunk on chunk.model_id = %(model)s and chunk.text_key = d.text_key and chunk.ordinal = asked.ordinal
order by asked.place

-- name: facets
-- How many of these documents have which value; the most frequent of each facet.
with d as materialized (
    select kind, document_type_id, extension, project_ids, company_ids, cost_groups, location_ids, person_ids,
           extract(year from occurred_at at time zone 'Europe/Berlin')::bigint as year
    from search.documents where id = any(%(ids)s)
), counts as (
    select 'kind' as facet, kind as value, count(*) as documents from d group by kind
    union all select 'extension', extension, count(*) from d where extension <> '' group by extension
    union all select 'type', document_type_id::text, count(*) from d where document_type_id is not null group by document_type_id
    union all select 'year', year::text, count(*) from d group by year
    union all select 'project', v::text, count(*) from d, unnest(project_ids) as v group by v
    union all select 'company', v::text, count(*) from d, unnest(company_ids) as v group by v
    union all select 'cost_group', v::text, count(*) from d, unnest(cost_groups) as v group by v
    union all select 'place', v::text, count(*) from d, unnest(location_ids) as v group by v
    union all select 'person', v::text, count(*) from d, unnest(person_ids) as v group by v
), ranked as (
    select *, row_number() over (partition by facet order by documents desc, value) as place from counts
)
select r.facet, r.value, r.documents,
       coalesce(p.name, c.name, t.name, g.label, l.label, o.name, r.value) as label, p.number as project_number, g.number as cost_group
from ranked r
left join public.projects p on p.id = case when r.facet = 'project' then r.value::bigint end
left join public.companies c on c.id = case when r.facet = 'company' then r.value::bigint end
left join public.document_types t on t.id = case when r.facet = 'type' then r.value::bigint end
left join public.cost_groups g on g.number = case when r.facet = 'cost_group' then r.value::bigint end
left join public.locations l on l.id = case when r.facet = 'place' then r.value::bigint end
left join public.persons o on o.id = case when r.facet = 'person' then r.value::bigint end
where r.place <= %(most)s
order by r.facet, r.documents desc, label

-- name: place_of
select id as document_id, 0::float8 as score, null::bigint as words_rank, null::bigint as names_rank, null::bigint as vectors_rank, null::integer as ordinal
from search.documents where id = %(id)s

-- name: detail_of
select d.kind, d.item_id, d.body, d.language, f.size_bytes
from search.documents d left join public.files f on d.kind = 'file' and f.id = d.item_id
where d.id = %(id)s

-- name: people_of
-- Who has which part in it. Vendors' people and addresses are persons by their identities.
with asked as (select kind, item_id from search.documents where id = %(id)s), parts as (
    select 1 as place, 'Absender' as part, i.person_id, coalesce(m.from_name, m.from_address) as name
    from asked a join public.emails m on a.kind = 'email' and m.id = a.item_id
    left join public.person_identities i on i.kind = 'address' and i.key = m.from_address
    union all
    select 2, 'Empfänger', i.person_id, coalesce(r.name, r.address)
    from asked a join public.email_recipients r on a.kind = 'email' and r.email_id = a.item_id and r.kind <> 'reply_to'
    left join public.person_identities i on i.kind = 'address' and i.key = r.address
    union all
    select 1, 'Verfasst von', i.person_id, coalesce(c.author_name, c.author_email)
    from asked a join public.email_comments c on a.kind = 'email_comment' and c.id = a.item_id
    left join public.person_identities i on i.missive_user_id = c.author_id
    union all
    select 1, 'Verfasst von', i.person_id, p.name
    from asked a join public.task_comments c on a.kind = 'task_comment' and c.id = a.item_id join public.people p on p.id = c.author_id
    left join public.person_identities i on i.teamwork_person_id = p.id
    union all
    select 1, 'Zuständig', i.person_id, p.name
    from asked a join public.task_assignees t on a.kind = 'task' and t.task_id = a.item_id join public.people p on p.id = t.person_id
    left join public.person_identities i on i.teamwork_person_id = p.id
    union all
    select 2, 'Angelegt von', i.person_id, p.name
    from asked a join public.tasks t on a.kind = 'task' and t.id = a.item_id join public.people p on p.id = t.creator_id
    left join public.person_identities i on i.teamwork_person_id = p.id
    union all
    select 1, 'Besitzer', i.person_id, f.created_by
    from asked a join public.files f on a.kind = 'file' and f.id = a.item_id
    left join public.person_identities i on i.kind = 'file_owner' and i.key = f.created_by
)
select distinct coalesce(merged.name, person.name, parts.name) as name, part, place
from parts
left join public.persons person on person.id = parts.person_id
left join public.persons merged on merged.id = person.merged_into_id
where coalesce(merged.name, person.name, parts.name) <> ''
order by place, name

-- name: versions_of
select v.path, v.size_bytes, v.valid_from, v.valid_to
from search.documents d join public.file_versions v on v.file_id = d.item_id
where d.id = %(id)s and d.kind = 'file'
order by v.valid_from desc, v.id desc

-- name: links_of
-- What belongs to a conversation belongs to its mails and comments, what belongs to a task to its comments.
select distinct l.target, l.target_name, l.rule
from search.documents d
left join public.emails m on d.kind = 'email' and m.id = d.item_id
left join public.email_comments c on d.kind = 'email_comment' and c.id = d.item_id
left join public.task_comments r on d.kind = 'task_comment' and r.id = d.item_id
join public.item_links l
    on l.item = case when d.kind = 'file' then 'file' when d.kind in ('task', 'task_comment') then 'task' else 'conversation' end
   and l.item_id = coalesce(m.conversation_id, c.conversation_id, r.task_id, d.item_id)
where d.id = %(id)s
order by l.target, l.target_name

-- name: copies_of
select o.path
from search.documents d
join public.files f on d.kind = 'file' and f.id = d.item_id
join public.files o on o.content_hash = f.content_hash and o.id <> f.id and o.deleted_at is null
where d.id = %(id)s
order by o.path limit 50

-- name: neighbours_of
-- Files of the same folder; mails and comments of the same conversation; a task and its comments.
with asked as materialized (
    select d.id, d.kind, f.folder, left(f.path, -length(f.name)) as directory,
           coalesce(m.conversation_id, c.conversation_id) as conversation_id, case d.kind when 'task' then d.item_id else r.task_id end as task_id
    from search.documents d
    left join public.files f on d.kind = 'file' and f.id = d.item_id
    left join public.emails m on d.kind = 'email' and m.id = d.item_id
    left join public.email_comments c on d.kind = 'email_comment' and c.id = d.item_id
    left join public.task_comments r on d.kind = 'task_comment' and r.id = d.item_id
    where d.id = %(id)s
), beside (kind, item_id) as (
    select 'file', f.id from asked a join public.files f on f.folder = a.folder and f.deleted_at is null and left(f.path, -length(f.name)) = a.directory
    union all select 'email', m.id from asked a join public.emails m on m.conversation_id = a.conversation_id
    union all select 'email_comment', c.id from asked a join public.email_comments c on c.conversation_id = a.conversation_id
    union all select 'task', a.task_id from asked a where a.task_id is not null
    union all select 'task_comment', r.id from asked a join public.task_comments r on r.task_id = a.task_id
)
select d.id, d.kind, d.title, d.occurred_at
from beside b join search.documents d on d.kind = b.kind and d.item_id = b.item_id
where d.id <> %(id)s
order by d.occurred_at desc, d.id desc limit 50

-- name: similar_to
-- By the chunk that stands at the beginning; copies of the same text are none.
select d.id as document_id, 1 - n.distance as score, null::bigint as words_rank, null::bigint as names_rank, row_number() over (order by n.distance, d.id) as vectors_rank,
       n.ordinal
from search.nearest_to(%(id)s, %(model)s::smallint, %(most)s) as n join search.documents d on d.text_key = n.text_key
where d.content_hash is distinct from (select content_hash from search.documents where id = %(id)s) or d.content_hash is null
order by vectors_rank limit %(limit)s
