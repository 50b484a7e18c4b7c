-- Everything of one project, for `ibhelm export` (ibhelm_pipelines/export/). What is live: as the register counts it (0011), but tasks of archived lists and
-- projects are in, because a finished project is what is exported most.

-- name: be_patient
-- Of this transaction: attachments are fetched between two of its questions.
select set_config('idle_in_transaction_session_timeout', '1h', true)

-- name: projects
select id, number, name, archived_at is not null as is_archived from public.projects where deleted_at is null order by name, id

-- name: project
select p.id, p.number, p.name, p.description, p.status, p.note, p.starts_on, p.ends_on, p.created_at, p.completed_at, p.archived_at, p.url, c.name as company, o.name as owner,
       array(select f.folder from public.project_folders f where f.project_id = p.id order by f.folder) as folders,
       array(select t.name from public.project_tags b join public.tags t on t.id = b.tag_id where b.project_id = p.id order by t.name) as tags
from public.projects p left join public.companies c on c.id = p.company_id left join public.people o on o.id = p.owner_id
where p.id = %(project)s

-- name: milestones
select name, description, due_on, is_completed from public.milestones where project_id = %(project)s and deleted_at is null order by due_on, name, id

-- name: files
-- In the order of their bytes, which no locale changes. A file that was deleted before the register saw it belongs to the project of its folder.
select f.id, f.path, f.name, f.extension, f.size_bytes, f.modified_at, f.created_by, f.note, f.deleted_at, f.content_hash, c.size_bytes as content_bytes, c.media_type,
       c.page_count, t.name as document_type, p.sha256 as preview_sha256, p.size_bytes as preview_bytes,
       array(select g.label from public.file_cost_groups b join public.cost_groups g on g.id = b.cost_group_id where b.file_id = f.id order by g.number) as cost_groups,
       array(select l.label from public.file_locations b join public.locations l on l.id = b.location_id where b.file_id = f.id order by l.label) as places
from public.files f
left join public.contents c on c.hash = f.content_hash
left join public.document_types t on t.id = f.document_type_id
left join ops.stored_objects p on p.content_hash = f.content_hash and p.kind = 'thumbnail'
where (f.project_id = %(project)s and (f.deleted_at is null or %(with_deleted)s))
   or (%(with_deleted)s and f.deleted_at is not null and f.project_id is null
       and f.folder in (select o.folder from public.project_folders o where o.project_id = %(project)s))
order by f.deleted_at is not null, f.raw_path, f.id

-- name: left_out
-- What belongs to the project and is not exported, by why.
select 'deleted_files' as what, count(*) from public.files f
where f.deleted_at is not null and (f.project_id = %(project)s or (
    f.project_id is null and f.folder in (select o.folder from public.project_folders o where o.project_id = %(project)s)))
union all
select 'trashed_conversations', count(*) from public.conversation_projects b join public.conversations c on c.id = b.conversation_id
where b.project_id = %(project)s and c.deleted_at is null and c.state in ('trashed', 'junked')
union all
select 'deleted_tasks', count(*) from public.tasks where project_id = %(project)s and state = 'deleted'

-- name: conversations
select c.id, coalesce(nullif(c.subject, ''), '(ohne Betreff)') as subject, c.state, t.name as team, c.last_activity_at, m.mails, k.comments,
       least(m.first_at, k.first_at) as first_at, greatest(m.last_at, k.last_at) as last_at,
       array(select l.full_name from public.conversation_labels b join public.labels l on l.id = b.label_id where b.conversation_id = c.id order by l.full_name) as labels,
       array(select u.name from public.conversation_assignees b join public.missive_users u on u.id = b.user_id where b.conversation_id = c.id order by u.name) as assignees,
       array(select g.label from public.conversation_cost_groups b join public.cost_groups g on g.id = b.cost_group_id where b.conversation_id = c.id order by g.number) as cost_groups,
       array(select l.label from public.conversation_locations b join public.locations l on l.id = b.location_id
             where b.conversation_id = c.id and l.project_id = %(project)s order by l.label) as places
from public.conversation_projects p
join public.conversations c on c.id = p.conversation_id
left join public.missive_teams t on t.id = c.team_id
cross join lateral (
    select count(*) as mails, min(coalesce(e.delivered_at, e.created_at)) as first_at, max(coalesce(e.delivered_at, e.created_at)) as last_at
    from public.emails e where e.conversation_id = c.id and e.deleted_at is null) as m
cross join lateral (
    select count(*) as comments, min(e.created_at) as first_at, max(e.created_at) as last_at
    from public.email_comments e where e.conversation_id = c.id and e.deleted_at is null) as k
where p.project_id = %(project)s and c.deleted_at is null and c.state in ('open', 'closed')
order by greatest(m.last_at, k.last_at, c.last_activity_at) desc nulls last, c.id

-- name: messages
-- The ids only: sorting the mails themselves would sort gigabytes.
with live as (
    select c.id from public.conversation_projects p join public.conversations c on c.id = p.conversation_id
    where p.project_id = %(project)s and c.deleted_at is null and c.state in ('open', 'closed')
)
select e.conversation_id, e.kind, e.id from (
    select m.conversation_id, 'email' as kind, m.id, coalesce(m.delivered_at, m.created_at) as at
    from public.emails m join live on live.id = m.conversation_id where m.deleted_at is null
    union all
    select k.conversation_id, 'comment', k.id, k.created_at
    from public.email_comments k join live on live.id = k.conversation_id where k.deleted_at is null
) as e
order by e.conversation_id, e.at nulls first, e.kind desc, e.id

-- name: emails
-- The body as Missive sent it, where that is still kept; for pages the one that is safe to be shown.
select m.id, m.missive_id, m.conversation_id, m.type, m.subject, m.from_name, m.from_address, coalesce(m.delivered_at, m.created_at) as at, m.message_id,
       m.in_reply_to, m.reference_ids, m.body_text, b.quoted_text, b.signature, b.html, r.body ->> 'body' as source,
       coalesce((select jsonb_agg(jsonb_build_array(o.kind, o.name, o.address) order by o.kind, o.ordinal) from public.email_recipients o where o.email_id = m.id), '[]') as recipients,
       coalesce((
           select jsonb_agg(jsonb_build_object('id', a.id, 'missive_id', a.missive_id, 'name', a.name, 'media_type', coalesce(a.media_type, c.media_type), 'is_inline', a.is_inline,
                                               'skip_reason', a.skip_reason, 'hash', a.content_hash, 'size', c.size_bytes) order by a.id)
           from public.email_attachments a left join public.contents c on c.hash = a.content_hash
           where a.email_id = m.id and a.deleted_at is null), '[]') as attachments
from public.emails m
left join public.email_bodies b on b.email_id = m.id
left join ops.raw_records r on r.source = 'missive' and r.kind = 'emails' and r.vendor_id = m.missive_id
where m.id = any(%(ids)s)

-- name: comments
select k.id, k.conversation_id, k.body, coalesce(nullif(k.author_name, ''), u.name, k.author_email) as author, k.created_at as at, k.task, k.task_state, k.task_due_at,
       array(select o.name from public.email_comment_task_assignees b join public.missive_users o on o.id = b.user_id where b.comment_id = k.id order by o.name) as assignees,
       coalesce((
           select jsonb_agg(jsonb_build_object('id', a.id, 'missive_id', a.missive_id, 'name', a.name, 'media_type', coalesce(a.media_type, c.media_type), 'is_inline', a.is_inline,
                                               'skip_reason', a.skip_reason, 'hash', a.content_hash, 'size', c.size_bytes) order by a.id)
           from public.email_attachments a left join public.contents c on c.hash = a.content_hash
           where a.comment_id = k.id and a.deleted_at is null), '[]') as attachments
from public.email_comments k left join public.missive_users u on u.id = k.author_id
where k.id = any(%(ids)s)

-- name: tasks
select t.id
from public.tasks t left join public.task_lists l on l.id = t.task_list_id
where t.project_id = %(project)s and t.state <> 'deleted'
order by l.position nulls last, l.name nulls last, l.id nulls last, t.created_at nulls first, t.id

-- name: tasks_by_id
select t.id, t.name, t.description, t.state, t.task_type, t.priority, t.progress, t.starts_on, t.due_on, t.created_at, t.updated_at, t.completed_at, t.estimate_minutes, t.is_private,
       coalesce(l.name, '(ohne Liste)') as task_list, t.parent_id, parent.name as parent, creator.name as creator, completer.name as completer,
       array(select coalesce(p.name, m.name, f.name) from public.task_assignees a left join public.people p on p.id = a.person_id left join public.teams m on m.id = a.team_id
             left join public.companies f on f.id = a.company_id where a.task_id = t.id and coalesce(p.name, m.name, f.name) is not null order by 1) as assignees,
       array(select g.name from public.task_tags b join public.tags g on g.id = b.tag_id where b.task_id = t.id order by g.name) as tags,
       array(select f.name || ': ' || v.value from public.task_custom_values v join public.custom_fields f on f.id = v.custom_field_id where v.task_id = t.id order by f.name) as fields,
       array(select g.label from public.task_cost_groups b join public.cost_groups g on g.id = b.cost_group_id where b.task_id = t.id order by g.number) as cost_groups,
       array(select o.label from public.task_locations b join public.locations o on o.id = b.location_id where b.task_id = t.id order by o.label) as places,
       coalesce((select sum(e.minutes) from public.time_entries e where e.task_id = t.id and e.deleted_at is null), 0) as minutes,
       coalesce((
           select jsonb_agg(jsonb_build_object('id', k.id, 'author', p.name, 'at', k.created_at, 'body', k.body) order by k.created_at nulls first, k.id)
           from public.task_comments k left join public.people p on p.id = k.author_id where k.task_id = t.id and k.deleted_at is null), '[]') as comments
from public.tasks t
left join public.task_lists l on l.id = t.task_list_id
left join public.tasks parent on parent.id = t.parent_id
left join public.people creator on creator.id = t.creator_id
left join public.people completer on completer.id = t.completer_id
where t.id = any(%(ids)s)

-- name: time_entries
select e.id, e.spent_at, p.name as person, e.minutes, e.is_billable, e.description, t.id as task_id, t.name as task
from public.time_entries e
left join public.tasks t on t.id = e.task_id
left join public.people p on p.id = e.person_id
where coalesce(t.project_id, e.project_id) = %(project)s and e.deleted_at is null and t.state is distinct from 'deleted'
order by e.spent_at nulls first, e.id

-- name: people
select o.name, c.name as company, coalesce(b.role, nullif(b.roles, '')) as role, o.is_colleague, o.email, o.phone, b.mails, b.tasks, b.comments, b.minutes, b.files,
       b.first_contact_at, b.last_contact_at, b.note
from public.project_participants b join public.persons o on o.id = b.person_id left join public.companies c on c.id = o.company_id
where b.project_id = %(project)s and o.deleted_at is null and o.merged_into_id is null
order by not o.is_colleague, c.name nulls last, o.name, o.id

-- name: timeline
select a.at, a.kind, a.label, a.item, a.item_id, a.who, a.source from public.activity a
where a.project_id = %(project)s
order by a.at, a.kind, a.item_id, a.label
