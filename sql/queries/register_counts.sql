-- How many live items have which link (ibhelm_pipelines/register/counting.py). What is live: sql/migrations/0011_views.sql.

-- name: count_links
insert into ops.register_counts as c (item, live, with_project, with_cost_group, with_place, with_document_type)
select 'file', count(*), count(f.project_id), count(g.file_id), count(l.file_id), count(f.document_type_id)
from public.files f
left join (select distinct file_id from public.file_cost_groups) as g on g.file_id = f.id
left join (select distinct file_id from public.file_locations) as l on l.file_id = f.id
where f.deleted_at is null
union all
select 'task', count(*), count(t.project_id), count(g.task_id), count(l.task_id), null
from public.tasks t
left join (select distinct task_id from public.task_cost_groups) as g on g.task_id = t.id
left join (select distinct task_id from public.task_locations) as l on l.task_id = t.id
where t.state in ('open', 'completed')
union all
select 'conversation', count(*), count(p.conversation_id), count(g.conversation_id), count(l.conversation_id), null
from public.conversations c
left join (select distinct conversation_id from public.conversation_projects) as p on p.conversation_id = c.id
left join (select distinct conversation_id from public.conversation_cost_groups) as g on g.conversation_id = c.id
left join (select distinct conversation_id from public.conversation_locations) as l on l.conversation_id = c.id
where c.deleted_at is null and c.state in ('open', 'closed')
on conflict (item) do update
set live = excluded.live, with_project = excluded.with_project, with_cost_group = excluded.with_cost_group, with_place = excluded.with_place,
    with_document_type = excluded.with_document_type, counted_at = now()
