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

-- name: has_new_folders
-- Whether one of these files stands in a project folder that nobody has looked at yet.
select exists (
    select from public.files f join ops.folders o on o.folder = f.folder and o.present
    where f.id = any(%(ids)s) and f.folder <> %(loose)s and not exists (select from public.project_folders p where p.folder = f.folder)
)

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

-- name: basis
-- What decides on every item: the rules; and on conversations the names of projects, folders and labels, too.
select md5(row(%(version)s::text,
               (select array_agg(r order by r.id) from public.link_rules r where r.is_enabled),
               (select array_agg(g order by g.id) from public.cost_groups g),
               (select array_agg(m order by m.id) from public.folder_mappings m))::text) as rules,
       md5(row((select array_agg(row(p.id, p.name) order by p.id) from public.projects p where p.deleted_at is null),
               (select array_agg(row(f.folder, f.project_id) order by f.folder) from public.project_folders f where f.project_id is not null),
               (select array_agg(row(l.id, l.name, l.parent_id) order by l.id) from public.labels l where l.deleted_at is null))::text) as names

-- name: find_files
-- All live items of a kind whose links may be others now, in a table of this connection; %(everything)s: all of them.
create temp table stale_items as
select i.id as item_id, i.digest
from (
    select f.id, f.project_id, f.document_type_id,
           md5(row(%(rules)s::text, f.folder, f.path, f.content_hash, t.finished_at, case when f.project_source = 'person' then f.project_id end,
                   w.project_id, b.digest, d.digest)::text)::uuid as digest
    from public.files f
    left join public.project_folders w on w.folder = f.folder
    left join (select content_hash, max(finished_at) as finished_at from ops.step_results where step = 'text' and state = 'ok' group by content_hash) as t
        on t.content_hash = f.content_hash
    left join jsonb_to_recordset(%(buildings)s) as b (project_id bigint, digest text)
        on b.project_id = coalesce(case when f.project_source = 'person' then f.project_id end, w.project_id, f.project_id)
    left join (select item_id, md5(array_agg(row(target, target_id, is_linked) order by id)::text) as digest
               from public.link_decisions where item = 'file' group by item_id) as d on d.item_id = f.id
    where f.deleted_at is null
) as i left join ops.linked_items l on l.item = 'file' and l.item_id = i.id
where %(everything)s or (l.digest, l.project_id, l.document_type_id) is distinct from (i.digest, i.project_id, i.document_type_id)

-- name: find_tasks
create temp table stale_items as
select i.id as item_id, i.digest
from (
    select t.id,
           md5(row(%(rules)s::text, t.name, t.project_id, g.tags, v.fields, b.digest, d.digest)::text)::uuid as digest
    from public.tasks t
    left join (select b.task_id, array_agg(g.name order by g.name, g.id)::text as tags
               from public.task_tags b join public.tags g on g.id = b.tag_id where g.deleted_at is null group by b.task_id) as g on g.task_id = t.id
    left join (select v.task_id, array_agg(row(c.name, v.value) order by c.id)::text as fields
               from public.task_custom_values v join public.custom_fields c on c.id = v.custom_field_id where c.deleted_at is null
               group by v.task_id) as v on v.task_id = t.id
    left join jsonb_to_recordset(%(buildings)s) as b (project_id bigint, digest text) on b.project_id = t.project_id
    left join (select item_id, md5(array_agg(row(target, target_id, is_linked) order by id)::text) as digest
               from public.link_decisions where item = 'task' group by item_id) as d on d.item_id = t.id
    where t.deleted_at is null
) as i left join ops.linked_items l on l.item = 'task' and l.item_id = i.id
where %(everything)s or l.digest is distinct from i.digest

-- name: find_conversations
create temp table stale_items as
select i.id as item_id, i.digest
from (
    select c.id,
           md5(row(%(rules)s::text, %(names)s::text, c.subject, e.subjects, l.labels, p.buildings, d.digest)::text)::uuid as digest
    from public.conversations c
    left join (select e.conversation_id, array_agg(distinct e.subject)::text as subjects
               from public.emails e where e.deleted_at is null group by e.conversation_id) as e on e.conversation_id = c.id
    left join (select b.conversation_id, array_agg(b.label_id order by b.label_id)::text as labels
               from public.conversation_labels b where b.label_id is not null group by b.conversation_id) as l on l.conversation_id = c.id
    left join (select p.conversation_id, array_agg(b.digest order by p.project_id)::text as buildings
               from public.conversation_projects p join jsonb_to_recordset(%(buildings)s) as b (project_id bigint, digest text) using (project_id)
               group by p.conversation_id) as p on p.conversation_id = c.id
    left join (select item_id, md5(array_agg(row(target, target_id, is_linked) order by id)::text) as digest
               from public.link_decisions where item = 'conversation' group by item_id) as d on d.item_id = c.id
    where c.deleted_at is null
) as i left join ops.linked_items l on l.item = 'conversation' and l.item_id = i.id
where %(everything)s or l.digest is distinct from i.digest

-- name: index_found
create index on stale_items (item_id)

-- name: drop_found
drop table if exists stale_items

-- name: next_found
select item_id from stale_items where item_id > %(after)s order by item_id limit %(size)s

-- name: note_linked
-- With the digest of before the items were read: what changed since is found by the next run.
insert into ops.linked_items as l (item, item_id, digest, project_id, document_type_id)
select %(item)s, s.item_id, s.digest, f.project_id, f.document_type_id
from stale_items s left join public.files f on %(item)s = 'file' and f.id = s.item_id
where s.item_id = any(%(ids)s) order by s.item_id
on conflict (item, item_id) do update set digest = excluded.digest, project_id = excluded.project_id, document_type_id = excluded.document_type_id

-- name: rename_links
-- Names of projects and kinds of documents stand at the files too, for lists; those that were renamed are written anew.
update public.files f set project_name = n.project_name, document_type = n.document_type
from (
    select f.id, p.name as project_name, t.name as document_type
    from public.files f left join public.projects p on p.id = f.project_id left join public.document_types t on t.id = f.document_type_id
) as n
where n.id = f.id and (f.project_name, f.document_type) is distinct from (n.project_name, n.document_type)

-- name: forget_linked
-- Of items that are gone for good.
delete from ops.linked_items l
where l.item = 'file' and not exists (select from public.files f where f.id = l.item_id)
   or l.item = 'task' and not exists (select from public.tasks t where t.id = l.item_id)
   or l.item = 'conversation' and not exists (select from public.conversations c where c.id = l.item_id)

-- name: live_ids
-- For whoever only looks: all live items of a kind, batch by batch.
select id from (
    select id, 'file' as item from public.files where deleted_at is null
    union all select id, 'task' from public.tasks where deleted_at is null
    union all select id, 'conversation' from public.conversations where deleted_at is null
) as live
where item = %(item)s and id > %(after)s order by id limit %(size)s

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

-- name: counts
select item, live, with_project as project, with_cost_group as cost_group, with_place as place, with_document_type as document_type from ops.register_counts
