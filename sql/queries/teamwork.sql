-- Teamwork's rows (ibhelm_pipelines/vendors/teamwork/): what is the same for every table is written by statements.py.

-- name: try_lock_resource
-- For the session: one reading of a list at a time. It dies with its process.
select pg_try_advisory_lock(hashtextextended('ibhelm teamwork read ' || %(resource)s, 0))

-- name: unlock_resource
select pg_advisory_unlock(hashtextextended('ibhelm teamwork read ' || %(resource)s, 0))

-- name: derive_tasks
-- What follows from a task's list and project: pure functions of what is there now. A list or a project that we never saw and that Teamwork does not know
-- is gone: tasks that are still listed went with it.
update public.tasks t set project_id = s.project_id, state = s.state
from (
    select t.id, l.project_id,
           case when t.deleted_at is not null or l.deleted_at is not null or p.deleted_at is not null or g.vendor_id is not null then 'deleted'
                when p.archived_at is not null then 'archived'
                when t.completed_at is not null or t.status = 'completed' then 'completed'
                else 'open' end as state
    from public.tasks t left join public.task_lists l on l.id = t.task_list_id left join public.projects p on p.id = l.project_id
    left join ops.raw_records g on g.source = 'teamwork' and g.gone_at is not null and p.id is null
        and (g.kind, g.vendor_id) = (case when l.id is null then 'task_lists' else 'projects' end, coalesce(l.teamwork_project_id, t.teamwork_task_list_id)::text)
) as s
where s.id = t.id and (t.project_id, t.state) is distinct from (s.project_id, s.state)

-- name: unknown_task_lists
-- Lists of tasks that came in no list of lists: new since, or gone with their project.
select distinct t.teamwork_task_list_id from public.tasks t
where t.task_list_id is null and t.teamwork_task_list_id is not null and t.deleted_at is null and not exists (
    select from ops.raw_records r
    where r.source = 'teamwork' and r.kind = 'task_lists' and r.vendor_id = t.teamwork_task_list_id::text and r.gone_at is not null
)

-- name: unknown_projects
select distinct l.teamwork_project_id from public.task_lists l
where l.project_id is null and l.teamwork_project_id is not null and l.deleted_at is null and not exists (
    select from ops.raw_records r
    where r.source = 'teamwork' and r.kind = 'projects' and r.vendor_id = l.teamwork_project_id::text and r.gone_at is not null
)

-- name: derive_task_types
-- By the rule with the highest priority among those whose tag the task carries. What a person set stays.
with best as (
    select distinct on (b.task_id) b.task_id, r.task_type
    from public.task_type_rules r
    join public.tags g on lower(normalize(g.name, nfc)) = lower(normalize(r.tag, nfc)) and g.deleted_at is null
    join public.task_tags b on b.tag_id = g.id
    order by b.task_id, r.priority desc, r.id
), typed as (
    select t.id, coalesce(best.task_type, (select name from public.task_types where is_default)) as task_type
    from public.tasks t left join best on best.task_id = t.id
    where t.task_type_source = 'rule' or t.task_type is null
)
update public.tasks t set task_type = typed.task_type, task_type_source = 'rule'
from typed
where typed.id = t.id and (t.task_type, t.task_type_source) is distinct from (typed.task_type, 'rule')

-- name: cursor
select watermark, full_synced_at from ops.sync_cursors where source = 'teamwork' and resource = %(resource)s

-- name: move_cursor
-- Never back: a reading that was overtaken says nothing new.
insert into ops.sync_cursors as c (source, resource, watermark, synced_at, full_synced_at, refused_deletions, steady_since)
values ('teamwork', %(resource)s, %(watermark)s, now(), case when %(full)s then now() end, coalesce(%(refused)s, 0), now())
on conflict (source, resource) do update
set watermark = greatest(c.watermark, excluded.watermark), synced_at = now(), full_synced_at = coalesce(excluded.full_synced_at, c.full_synced_at),
    refused_deletions = coalesce(%(refused)s, c.refused_deletions), switched_off_at = null,
    steady_since = case when c.switched_off_at is null and c.synced_at > now() - interval '10 minutes' then c.steady_since else now() end

-- name: full_is_due
-- An hour of grace: the nightly reading takes its time.
select count(*) = 0 or bool_or(full_synced_at is null or full_synced_at < now() - interval '25 hours') from ops.sync_cursors where source = 'teamwork'

-- name: switch_off
update ops.sync_cursors set switched_off_at = now() where source = 'teamwork' and switched_off_at is null

-- name: excluded_projects
select project_id from ops.excluded_projects where vendor = 'teamwork'

-- name: directory_was_read
select exists (select from ops.sync_cursors where source = 'teamwork' and resource = 'projects' and full_synced_at is not null)

-- name: drop_included_projects
delete from ops.excluded_projects where vendor = 'teamwork' and not project_id = any(%(ids)s)

-- name: exclude_projects
insert into ops.excluded_projects (vendor, project_id) select 'teamwork', unnest(%(ids)s::bigint[]) on conflict do nothing

-- name: list_projects
select teamwork_id, teamwork_project_id from public.task_lists where teamwork_id = any(%(ids)s)

-- name: known_projects
select teamwork_id from public.projects where teamwork_id = any(%(ids)s)

-- name: with_custom_values
select distinct t.teamwork_id from public.tasks t join public.task_custom_values v on v.task_id = t.id where t.teamwork_id = any(%(ids)s)

-- name: task_projects
select t.teamwork_id, l.teamwork_project_id from public.tasks t join public.task_lists l on l.teamwork_id = t.teamwork_task_list_id where t.teamwork_id = any(%(ids)s)

-- What was stored before its project was left out (purge_...): children first; bridges go with their rows.
-- name: purge_comments
delete from public.task_comments c using public.tasks t, public.task_lists l, ops.excluded_projects x
where c.task_id = t.id and l.id = t.task_list_id and x.vendor = 'teamwork' and x.project_id = l.teamwork_project_id

-- name: purge_time_entries
delete from public.time_entries e
where e.teamwork_project_id in (select x.project_id from ops.excluded_projects x where x.vendor = 'teamwork')
   or e.task_id in (
       select t.id from public.tasks t join public.task_lists l on l.id = t.task_list_id
       join ops.excluded_projects x on x.vendor = 'teamwork' and x.project_id = l.teamwork_project_id
   )

-- name: purge_tasks
delete from public.tasks t using public.task_lists l, ops.excluded_projects x
where l.id = t.task_list_id and x.vendor = 'teamwork' and x.project_id = l.teamwork_project_id

-- name: purge_task_lists
delete from public.task_lists l using ops.excluded_projects x where x.vendor = 'teamwork' and x.project_id = l.teamwork_project_id

-- name: purge_milestones
delete from public.milestones m using ops.excluded_projects x where x.vendor = 'teamwork' and x.project_id = m.teamwork_project_id

-- name: purge_projects
delete from public.projects p using ops.excluded_projects x where x.vendor = 'teamwork' and x.project_id = p.teamwork_id

-- name: purge_raw
-- Bodies whose rows went just now.
delete from ops.raw_records r
where r.source = 'teamwork' and r.body is not null and r.error is null and (
    r.kind = 'comments' and not exists (select from public.task_comments c where c.teamwork_id = r.vendor_id::bigint)
    or r.kind = 'time_entries' and not exists (select from public.time_entries e where e.teamwork_id = r.vendor_id::bigint)
    or r.kind = 'tasks' and not exists (select from public.tasks t where t.teamwork_id = r.vendor_id::bigint)
    or r.kind = 'task_lists' and not exists (select from public.task_lists l where l.teamwork_id = r.vendor_id::bigint)
    or r.kind = 'milestones' and not exists (select from public.milestones m where m.teamwork_id = r.vendor_id::bigint)
    or r.kind = 'projects' and not exists (select from public.projects p where p.teamwork_id = r.vendor_id::bigint)
)
