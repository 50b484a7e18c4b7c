-- The register (ibhelm_pipelines/register/): what it reads, and what it writes where it differs. What is the same for every table of links is in writing.py.

-- name: lock_writing
-- For the transaction: inputs are read, decided on and written under it, so that of two runs the later one has the newer inputs.
select pg_advisory_xact_lock(hashtextextended('ibhelm register', 0))

-- name: projects
select id, name from public.projects where deleted_at is null order by id

-- name: folder_mappings
select folder, project_id from public.folder_mappings

-- name: folders
-- The project folders that are there, but for what stands below the general inbox.
select folder from ops.folders
where present and folder <> %(loose)s and not starts_with(normalize(folder, nfc) || '/', %(general_inbox)s || '/') order by folder

-- name: folder_sizes
select folder, count(*) from public.files where deleted_at is null group by folder

-- name: drop_folders
delete from public.project_folders where not folder = any(%(folders)s)

-- name: write_folders
insert into public.project_folders as f (folder, project_id, rule, confidence, reason)
select folder, project_id, rule, confidence, reason
from jsonb_to_recordset(%(folders)s) as w (folder text, project_id bigint, rule text, confidence numeric, reason text)
order by folder
on conflict (folder) do update set project_id = excluded.project_id, rule = excluded.rule, confidence = excluded.confidence, reason = excluded.reason
where (f.project_id, f.rule, f.confidence, f.reason) is distinct from (excluded.project_id, excluded.rule, excluded.confidence, excluded.reason)

-- name: write_projects
update public.projects p set number = nullif(w.number, ''), nas_folder = w.nas_folder
from jsonb_to_recordset(%(projects)s) as w (id bigint, number text, nas_folder text)
where p.id = w.id and (p.number, p.nas_folder) is distinct from (nullif(w.number, ''), w.nas_folder)

-- name: project_folders
select folder, project_id, rule from public.project_folders where project_id is not null

-- name: cost_groups
select g.id, g.number, g.name, g.aliases from public.cost_groups g order by g.number

-- name: rules
select r.id, r.name, r.decides, r.reads, r.pattern, r.project_id, g.number as cost_group, r.document_type_id, r.building, r.level, r.room, r.priority,
       r.confidence::float8 as confidence, r.is_enabled
from public.link_rules r left join public.cost_groups g on g.id = r.cost_group_id
order by r.id

-- name: label_names
-- Each label with the names of those above it: what is filed under a label is filed under its parents.
with recursive above (id, name, parent_id, depth) as (
    select id, name, parent_id, 1 from public.labels where deleted_at is null
    union all
    select a.id, l.name, l.parent_id, a.depth + 1 from above a join public.labels l on l.id = a.parent_id where a.depth < 20
)
select id, array_agg(distinct name order by name) from above group by id

-- name: tags_of_projects
-- Where places may be written: each tag once for each project in which it is used.
select distinct t.project_id, g.name
from public.task_tags b join public.tags g on g.id = b.tag_id join public.tasks t on t.id = b.task_id
where t.project_id is not null and t.deleted_at is null and g.deleted_at is null

-- name: manual_buildings
select project_id, building from public.locations where is_manual

-- name: directories
-- Likewise: each directory once.
select distinct f.folder, left(f.path, -length(f.name) - 1) as directory, case when f.project_source = 'person' then f.project_id end as chosen_project
from public.files f where f.deleted_at is null

-- name: file_ids
select id from public.files where deleted_at is null and id > %(after)s order by id limit %(size)s

-- name: task_ids
select id from public.tasks where deleted_at is null and id > %(after)s order by id limit %(size)s

-- name: conversation_ids
select id from public.conversations where deleted_at is null and id > %(after)s order by id limit %(size)s

-- name: files
select f.id, f.folder, f.path, f.name, f.extension, f.content_hash, case when f.project_source = 'person' then f.project_id end as chosen_project
from public.files f where f.id = any(%(ids)s) and f.deleted_at is null order by f.id

-- name: tasks
select t.id, t.name, t.project_id,
       array(select g.name from public.task_tags b join public.tags g on g.id = b.tag_id where b.task_id = t.id and g.deleted_at is null
             union
             select c.name || ' ' || v.value from public.task_custom_values v join public.custom_fields c on c.id = v.custom_field_id
             where v.task_id = t.id and c.deleted_at is null
             order by 1) as tags
from public.tasks t where t.id = any(%(ids)s) and t.deleted_at is null order by t.id

-- name: conversations
select c.id,
       array(select b.label_id from public.conversation_labels b where b.conversation_id = c.id and b.label_id is not null order by 1) as labels,
       array(select c.subject where c.subject <> ''
             union select e.subject from public.emails e where e.conversation_id = c.id and e.deleted_at is null and e.subject <> '' order by 1) as subjects
from public.conversations c where c.id = any(%(ids)s) and c.deleted_at is null order by c.id

-- name: chosen_projects
-- Of conversations: what persons decided counts for their places, too.
select item_id, target_id, is_linked from public.link_decisions where item = 'conversation' and target = 'project' and item_id = any(%(ids)s)

-- name: texts
select content_hash, left(text, %(characters)s) from public.content_texts where content_hash = any(%(hashes)s)

-- name: known_buildings
select distinct project_id, building from public.locations

-- name: write_files
with wanted as (
    select * from jsonb_to_recordset(%(files)s) as w (id bigint, project_id bigint, project_rule text, document_type_id bigint, document_type_rule text)
), due as (
    select f.id,
           case when f.project_source = 'person' and f.project_id is not null then 'person' else 'rule' end as project_source,
           case when f.project_source = 'person' and f.project_id is not null then f.project_id else w.project_id end as project_id,
           case when f.project_source = 'person' and f.project_id is not null then null else w.project_rule end as project_rule,
           case when f.document_type_source = 'person' and f.document_type_id is not null then 'person' else 'rule' end as document_type_source,
           case when f.document_type_source = 'person' and f.document_type_id is not null then f.document_type_id else w.document_type_id end as document_type_id,
           case when f.document_type_source = 'person' and f.document_type_id is not null then null else w.document_type_rule end as document_type_rule
    from public.files f join wanted w using (id)
    order by f.id for no key update of f
)
update public.files f
set project_source = d.project_source, project_id = d.project_id, project_rule = d.project_rule,
    document_type_source = d.document_type_source, document_type_id = d.document_type_id, document_type_rule = d.document_type_rule
from due d
where f.id = d.id and (f.project_source, f.project_id, f.project_rule, f.document_type_source, f.document_type_id, f.document_type_rule)
    is distinct from (d.project_source, d.project_id, d.project_rule, d.document_type_source, d.document_type_id, d.document_type_rule)

-- name: make_locations
-- Those that are missing, whole before part, and what they are part of.
insert into public.locations (project_id, building, level, room, is_manual)
select distinct project_id, building, level, room, false
from jsonb_to_recordset(%(places)s) as w (project_id bigint, building text, level text, room text)
order by 1, 2, 3 nulls first, 4 nulls first
on conflict do nothing

-- name: join_locations
update public.locations l set parent_id = above.id
from public.locations above
where l.project_id = above.project_id and l.building = above.building and l.project_id = any(%(projects)s) and above.id <> l.id
  and (l.room is not null and above.room is null and above.level is not distinct from l.level
       or l.room is null and l.level is not null and above.level is null and above.room is null)
  and l.parent_id is distinct from above.id

-- name: locations
select id, project_id, building, level, room from public.locations where project_id = any(%(projects)s)

-- name: drop_unused_locations
-- From the leaves up, as often as it takes: what nobody linked, nobody made by hand, and no decision names.
delete from public.locations l
where not l.is_manual
  and not exists (select from public.locations below where below.parent_id = l.id)
  and not exists (select from public.file_locations b where b.location_id = l.id)
  and not exists (select from public.task_locations b where b.location_id = l.id)
  and not exists (select from public.conversation_locations b where b.location_id = l.id)
  and not exists (select from public.link_decisions d where d.target = 'location' and d.target_id = l.id)

-- name: note_run
insert into ops.register_runs (started_at, finished_at, counts) values (now() - %(seconds)s * interval '1 second', now(), %(counts)s)

-- name: document_types
select id, name from public.document_types
