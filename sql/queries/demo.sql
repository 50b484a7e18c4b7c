-- What the demo shows at its end: how much arrived, and what has no preview, text or original, by its reason.

-- name: totals
with live as (select folder, content_hash from public.files where deleted_at is null),
     contents as (select distinct content_hash from live where content_hash is not null)
select (select count(*) from live) as files,
       (select count(distinct folder) from live) as folders,
       (select count(*) from contents) as contents,
       (select coalesce(sum(c.size_bytes), 0)::bigint from public.contents c join contents on c.hash = contents.content_hash) as size_bytes,
       (select count(*) from contents join ops.stored_objects o using (content_hash) where o.kind = 'original') as originals,
       (select count(*) from contents join ops.stored_objects o using (content_hash) where o.kind = 'thumbnail') as previews,
       (select count(*) from contents join public.content_texts using (content_hash)) as texts;

-- name: without_result
-- The newest result of each step on each live content that is not ok, and the paths that cannot be read.
with newest as (
    select distinct on (r.step, r.content_hash) r.step, r.content_hash, r.state, r.reason
    from ops.step_results r
    where exists (select from public.files f where f.content_hash = r.content_hash and f.deleted_at is null)
    order by r.step, r.content_hash, r.finished_at desc
), lines as (
    select n.step as what, n.state, n.reason,
           (select min(f.name) from public.files f where f.content_hash = n.content_hash and f.deleted_at is null) as name
    from newest n
    where n.state <> 'ok'
    union all
    select 'scan', 'failed', reason, path from ops.path_problems
)
select what, state, reason, count(*) as count, min(name) as for_example
from lines
group by what, state, reason
order by state = 'failed' desc, count desc, what, reason
limit 30;

-- name: example_preview
-- A preview worth looking at: of a drawing or a photo rather than of a note.
select f.name, f.thumbnail::jsonb -> 0 ->> 'url' as url
from public.files f join public.contents c on c.hash = f.content_hash
where f.deleted_at is null and f.thumbnail is not null
order by (c.media_type like 'image/%' or c.media_type = 'application/pdf') desc, c.size_bytes desc
limit 1;

-- name: teamwork_shown
-- The ids of all from Teamwork that a person sees: what is deleted, itself or with its project, is not.
with hidden as (select id from public.projects where deleted_at is not null),
     shown (what, id, project_id) as (
    select 'projects', teamwork_id, id from public.projects where deleted_at is null
    union all
    select 'people', teamwork_id, null from public.people where deleted_at is null
    union all
    select 'task lists', teamwork_id, project_id from public.task_lists where deleted_at is null
    union all
    select 'tasks', teamwork_id, project_id from public.tasks where deleted_at is null
    union all
    select 'comments', c.teamwork_id, t.project_id from public.task_comments c left join public.tasks t on t.id = c.task_id where c.deleted_at is null
    union all
    select 'time entries', teamwork_id, project_id from public.time_entries where deleted_at is null
)
select what, array_agg(id) as ids
from shown
where id is not null and (project_id is null or project_id not in (select id from hidden))
group by what;

-- name: missive_shown
-- The ids of all from Missive that a person sees.
select what, array_agg(id) as ids
from (
    select 'conversations', missive_id from public.conversations where deleted_at is null
    union all
    select 'messages', missive_id from public.emails where deleted_at is null
    union all
    select 'comments', missive_id from public.email_comments where deleted_at is null
    union all
    select 'attachments', missive_id from public.email_attachments where deleted_at is null
) as shown (what, id)
where id is not null
group by what;

-- name: attachments_are
-- Where attachments of mails are, and why some are nowhere.
with placed as (
    select case when inbox_path like %(general)s || '/%%' then 'put into the general inbox ' || %(general)s
                when inbox_path is not null then 'put into the inbox of their project'
                when content_hash is not null then 'on the NAS already'
                when skip_reason is not null then 'left out: ' || skip_reason
                when planned_path is not null then 'would be put on the NAS (IBHELM_ATTACHMENT_INBOX=dry-run)'
                else 'in Missive only' end as place,
           inbox_path, coalesce(inbox_path, planned_path, name) as example
    from public.email_attachments
    where deleted_at is null
)
select place, count(*) as count, min(example) as for_example
from placed
group by place
order by count(inbox_path) = 0, place like 'left out%%', count desc;

-- name: linked
-- What the register links, by names that the truth knows: paths, the vendors' ids, numbers and labels.
with links (item, target, key, value) as (
    select 'file', 'project', f.path, p.teamwork_id::text
    from public.files f join public.projects p on p.id = f.project_id where f.deleted_at is null
    union all
    select 'file', 'cost group', f.path, g.number::text
    from public.files f join public.file_cost_groups b on b.file_id = f.id join public.cost_groups g on g.id = b.cost_group_id where f.deleted_at is null
    union all
    select 'file', 'place', f.path, l.label
    from public.files f join public.file_locations b on b.file_id = f.id join public.locations l on l.id = b.location_id where f.deleted_at is null
    union all
    select 'task', 'project', t.teamwork_id::text, p.teamwork_id::text
    from public.tasks t join public.projects p on p.id = t.project_id where t.deleted_at is null
    union all
    select 'task', 'cost group', t.teamwork_id::text, g.number::text
    from public.tasks t join public.task_cost_groups b on b.task_id = t.id join public.cost_groups g on g.id = b.cost_group_id where t.deleted_at is null
    union all
    select 'task', 'place', t.teamwork_id::text, l.label
    from public.tasks t join public.task_locations b on b.task_id = t.id join public.locations l on l.id = b.location_id where t.deleted_at is null
    union all
    select 'conversation', 'project', c.missive_id, p.teamwork_id::text
    from public.conversations c join public.conversation_projects b on b.conversation_id = c.id join public.projects p on p.id = b.project_id
    where c.deleted_at is null
    union all
    select 'conversation', 'cost group', c.missive_id, g.number::text
    from public.conversations c join public.conversation_cost_groups b on b.conversation_id = c.id join public.cost_groups g on g.id = b.cost_group_id
    where c.deleted_at is null
    union all
    select 'conversation', 'place', c.missive_id, l.label
    from public.conversations c join public.conversation_locations b on b.conversation_id = c.id join public.locations l on l.id = b.location_id
    where c.deleted_at is null
)
select item, target, key, value from links where value is not null

-- name: searchable
-- How much the search looks into.
select 'documents' as what, count(*) from search.documents
union all select 'with text', count(*) from search.documents where body <> ''
union all select 'different words', count(*) from search.vocabulary
union all select 'parts with vectors', count(*) from search.chunks;
