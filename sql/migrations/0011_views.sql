-- What the office sees of the register's gaps, of what happened, of copies and of problems (docs/activity.md), and how the register is, in ops.health.
--
-- Whose rights: a view over tables of public alone runs with the rights of who asks (security_invoker), so that a rule about rows, should there ever be one,
-- holds there too (lesson 41). Four read ops, with their owner's rights, and show what the office may know and nothing else: unmatched_folders,
-- projects_without_folder, activity and problems.
--
-- What is live (lesson 17), wherever the register counts: a file without deleted_at; a task whose state is open or completed; a conversation without
-- deleted_at whose state is open or closed; a project without deleted_at and archived_at.

-- What lacks what. Each link is asked for with `limit 1`, not `exists`: of that Postgres would make a table of all links, however few rows are wanted.

create view public.files_missing_metadata with (security_invoker = true) as
select f.id as file_id, f.name, f.path, f.folder, f.modified_at, f.project_id, p.name as project, f.project_id is null as lacks_project,
       m.lacks_cost_group, m.lacks_place, f.document_type_id is null as lacks_document_type,
       concat_ws(', ', case when f.project_id is null then 'Projekt' end, case when m.lacks_cost_group then 'Kostengruppe' end,
                 case when m.lacks_place then 'Ort' end, case when f.document_type_id is null then 'Dokumentart' end) as missing,
       f.nas_url as url
from public.files f
cross join lateral (
    select (select g.file_id from public.file_cost_groups g where g.file_id = f.id limit 1) is null as lacks_cost_group,
           (select l.file_id from public.file_locations l where l.file_id = f.id limit 1) is null as lacks_place
) as m
left join public.projects p on p.id = f.project_id
where f.deleted_at is null and (f.project_id is null or f.document_type_id is null or m.lacks_cost_group or m.lacks_place);
comment on view public.files_missing_metadata is 'Live files without a project, cost group, place or document type';
comment on column public.files_missing_metadata.file_id is 'Id in files, where what is missing can be entered';
comment on column public.files_missing_metadata.missing is 'What is missing, in words';
comment on column public.files_missing_metadata.url is 'Link to the file on the NAS';

create view public.tasks_missing_metadata with (security_invoker = true) as
select t.id as task_id, t.name, l.name as task_list, t.state, t.due_on, t.project_id, p.name as project, t.project_id is null as lacks_project,
       m.lacks_cost_group, m.lacks_place,
       concat_ws(', ', case when t.project_id is null then 'Projekt' end, case when m.lacks_cost_group then 'Kostengruppe' end,
                 case when m.lacks_place then 'Ort' end) as missing,
       t.url
from public.tasks t
cross join lateral (
    select (select g.task_id from public.task_cost_groups g where g.task_id = t.id limit 1) is null as lacks_cost_group,
           (select l.task_id from public.task_locations l where l.task_id = t.id limit 1) is null as lacks_place
) as m
left join public.task_lists l on l.id = t.task_list_id
left join public.projects p on p.id = t.project_id
where t.state in ('open', 'completed') and (t.project_id is null or m.lacks_cost_group or m.lacks_place);
comment on view public.tasks_missing_metadata is 'Open and completed tasks without a project, cost group or place';
comment on column public.tasks_missing_metadata.task_id is 'Id in tasks';
comment on column public.tasks_missing_metadata.missing is 'What is missing, in words';
comment on column public.tasks_missing_metadata.url is 'The task in Teamwork';

create view public.conversations_missing_metadata with (security_invoker = true) as
select c.id as conversation_id, coalesce(nullif(c.subject, ''), '(ohne Betreff)') as subject, c.state, c.last_activity_at, c.messages_count,
       (select string_agg(p.name, ', ' order by p.name) from public.conversation_projects b join public.projects p on p.id = b.project_id
        where b.conversation_id = c.id) as projects,
       m.lacks_project, m.lacks_cost_group, m.lacks_place,
       concat_ws(', ', case when m.lacks_project then 'Projekt' end, case when m.lacks_cost_group then 'Kostengruppe' end,
                 case when m.lacks_place then 'Ort' end) as missing,
       c.url
from public.conversations c
cross join lateral (
    select (select b.conversation_id from public.conversation_projects b where b.conversation_id = c.id limit 1) is null as lacks_project,
           (select g.conversation_id from public.conversation_cost_groups g where g.conversation_id = c.id limit 1) is null as lacks_cost_group,
           (select l.conversation_id from public.conversation_locations l where l.conversation_id = c.id limit 1) is null as lacks_place
) as m
where c.deleted_at is null and c.state in ('open', 'closed') and (m.lacks_project or m.lacks_cost_group or m.lacks_place);
comment on view public.conversations_missing_metadata is 'Conversations without a project, cost group or place; trash and junk left out';
comment on column public.conversations_missing_metadata.conversation_id is 'Id in conversations';
comment on column public.conversations_missing_metadata.projects is 'A conversation may belong to several';
comment on column public.conversations_missing_metadata.missing is 'What is missing, in words';
comment on column public.conversations_missing_metadata.url is 'The conversation in Missive';

-- Names as they are compared; ibhelm_pipelines/folding.py says the same in Python.
create function ops.folded(name text) returns text language sql immutable strict parallel safe
return regexp_replace(replace(replace(replace(replace(lower(normalize(name, nfc)), 'ä', 'ae'), 'ö', 'oe'), 'ü', 'ue'), 'ß', 'ss'), '[\W_]+', ' ', 'g');

create view ops.resemblances as
with folders as materialized (
    select id, folder, ops.folded(regexp_replace(folder, '^.*/', '')) as name from public.project_folders where project_id is null
), projects as materialized (
    select p.id, p.name, ops.folded(p.name) as folded_name,
           p.archived_at is null and not exists (select from public.project_folders o where o.project_id = p.id) as lacks_folder
    from public.projects p where p.deleted_at is null
)
select f.id as project_folder_id, f.folder, p.id as project_id, p.name as project, p.lacks_folder, s.similarity
from folders f cross join projects p cross join lateral (select similarity(f.name, p.folded_name) as similarity) as s
where s.similarity >= 0.3;
comment on view ops.resemblances is 'Folders without a project, each with the projects whose names resemble it, from 0.3 to 1';

create view public.unmatched_folders as
select o.id as project_folder_id, o.folder, o.reason, coalesce(n.files, 0) as files, s.suggestions, s.best_project_id, s.best_similarity
from public.project_folders o
left join (select folder, count(*) as files from public.files where deleted_at is null group by folder) as n on n.folder = o.folder
left join (
    select project_folder_id, string_agg(format('%s (%s %%)', project, round(100 * similarity)), chr(10) order by place) as suggestions,
           min(project_id) filter (where place = 1) as best_project_id, max(similarity)::numeric(3, 2) as best_similarity
    from (select *, row_number() over (partition by project_folder_id order by similarity desc, project_id) as place from ops.resemblances) as r
    where place <= 3
    group by project_folder_id
) as s on s.project_folder_id = o.id
where o.project_id is null;
comment on view public.unmatched_folders is 'Project folders of the NAS that belong to no project; a row in folder_mappings says which one they belong to';
comment on column public.unmatched_folders.project_folder_id is 'Id in project_folders';
comment on column public.unmatched_folders.reason is 'Why none was found';
comment on column public.unmatched_folders.files is 'Live files in it';
comment on column public.unmatched_folders.suggestions is 'Projects whose names resemble it, at most three, one a line';
comment on column public.unmatched_folders.best_project_id is 'Id in projects of the first of them';
comment on column public.unmatched_folders.best_similarity is 'Of its name: 0 to 1';

create view public.projects_without_folder as
select p.id as project_id, p.name, p.status, p.starts_on, s.suggestions, p.url
from public.projects p
left join (
    select project_id, string_agg(format('%s (%s %%)', folder, round(100 * similarity)), chr(10) order by place) as suggestions
    from (select *, row_number() over (partition by project_id order by similarity desc, folder) as place from ops.resemblances) as r
    where place <= 3
    group by project_id
) as s on s.project_id = p.id
where p.deleted_at is null and p.archived_at is null and not exists (select from public.project_folders o where o.project_id = p.id);
comment on view public.projects_without_folder is 'Live projects that no folder of the NAS belongs to';
comment on column public.projects_without_folder.project_id is 'Id in projects';
comment on column public.projects_without_folder.suggestions is 'Folders without a project whose names resemble it, at most three, one a line';
comment on column public.projects_without_folder.url is 'The project in Teamwork';

create view public.duplicates with (security_invoker = true) as
select c.content_hash, (select min(f.name) from public.files f where f.content_hash = c.content_hash and f.deleted_at is null) as name,
       c.copies, c.size_bytes, (c.copies - 1) * c.size_bytes as wasted_bytes, c.newest_at,
       (select string_agg(f.path, chr(10) order by f.path) from (
            select path from public.files where content_hash = c.content_hash and deleted_at is null order by path limit 20) as f)
       || case when c.copies > 20 then format(E'\n… und %s weitere', c.copies - 20) else '' end as paths,
       (select string_agg(p.name, ', ' order by p.name) from public.projects p
        where p.id in (select f.project_id from public.files f where f.content_hash = c.content_hash and f.deleted_at is null)) as projects
from (
    select content_hash, count(*) as copies, min(size_bytes) as size_bytes, max(modified_at) as newest_at
    from public.files
    where deleted_at is null and size_bytes > 0 and content_hash is not null
    group by content_hash
    having count(*) > 1
) as c;
comment on view public.duplicates is 'Contents that stand in several live places; empty files left out';
comment on column public.duplicates.content_hash is 'The content (contents.hash)';
comment on column public.duplicates.name is 'Name of one of the files';
comment on column public.duplicates.copies is 'In how many places';
comment on column public.duplicates.size_bytes is 'Size of each in bytes';
comment on column public.duplicates.wasted_bytes is 'Size of all but one';
comment on column public.duplicates.newest_at is 'Last change of the newest, as the disk says';
comment on column public.duplicates.paths is 'Paths, one a line, at most twenty';
comment on column public.duplicates.projects is 'Projects of the files';

-- What happened. Every row is a reading of a source's own times and of the versions of files: reading anything again adds nothing and moves nothing.
--
-- activity_now says what there is to tell; activity_entries keeps it, ordered by two indexes, because a view over fifteen tables can be driven either by time
-- or by project, not by both (measured: 12 s instead of milliseconds). An entry holds times and ids, no text: what it says is looked up when it is read, so
-- that what was deleted, forgotten or renamed since is not told. ibhelm_pipelines/register/activity.py brings the entries in line.

create index scans_whole on ops.scans (finished_at) where paths is null and folders is null;
create index file_versions_begin on public.file_versions (valid_from);
create index file_versions_end on public.file_versions (valid_to) where valid_to is not null;
create index files_stock on public.files (least(modified_at, first_seen_at)) where content_changed_at is not distinct from first_seen_at;
create index tasks_created on public.tasks (created_at);
create index tasks_updated on public.tasks (updated_at);
create index tasks_completed on public.tasks (completed_at) where completed_at is not null;
create index tasks_deleted on public.tasks (deleted_at) where deleted_at is not null;
create index task_comments_created on public.task_comments (created_at);
create index link_decisions_decided on public.link_decisions (decided_at);
create index emails_happened on public.emails (coalesce(delivered_at, created_at));
create index email_comments_created on public.email_comments (created_at);
create index time_entries_noted on public.time_entries (coalesce(created_at, spent_at));

create view ops.stock as
select coalesce(min(finished_at), 'infinity') as until
from ops.scans where paths is null and folders is null and state in ('complete', 'incomplete');
comment on view ops.stock is 'End of the first scan of the whole share: what stood there by then was there before us';

create view ops.activity_now as
-- What was there before us: as of its last change then, as long as nothing newer is known.
select least(f.modified_at, f.first_seen_at) as at, 'file_found' as kind, f.id as item_id, null::bigint as ref_id, f.project_id
from public.files f
where f.content_changed_at is not distinct from f.first_seen_at and f.first_seen_at <= (select until from ops.stock)
union all
select v.valid_from, c.kind, v.file_id, v.id, f.project_id
from public.file_versions v
join public.files f on f.id = v.file_id
left join lateral (
    select b.id, b.path, b.raw_path, b.valid_to, coalesce(b.content_hash, (
               -- Of a time when it could not be read nothing is known.
               select k.content_hash from public.file_versions k
               where k.file_id = v.file_id and k.content_hash is not null and k.valid_to <= v.valid_from and k.id <> v.id
               order by k.valid_to desc limit 1)) as content_hash
    from public.file_versions b
    where b.file_id = v.file_id and b.valid_to <= v.valid_from and b.id <> v.id
    order by b.valid_to desc limit 1
) as b on true
cross join lateral (
    select case when b.id is null then 'file_new' when b.valid_to < v.valid_from then 'file_restored'
                when b.raw_path <> v.raw_path and regexp_replace(b.path, '[^/]*$', '') = regexp_replace(v.path, '[^/]*$', '') then 'file_renamed'
                when b.raw_path <> v.raw_path then 'file_moved'
                when b.content_hash <> v.content_hash then 'file_changed' end as kind
) as c
where v.valid_from > (select until from ops.stock) and c.kind is not null
  -- What was put there for a mail is told as its attachment.
  and not (b.id is null and exists (
      select from public.email_attachments a where a.file_id = v.file_id and a.raw_inbox_path = v.raw_path and a.deleted_at is null))
union all
select v.valid_to, 'file_deleted', v.file_id, v.id, f.project_id
from public.file_versions v
join public.files f on f.id = v.file_id
where v.valid_to is not null and not exists (
    select from public.file_versions n
    where n.file_id = v.file_id and n.id <> v.id and n.valid_from <= v.valid_to and (n.valid_to is null or n.valid_to > v.valid_to))
union all
-- A task that went with its list or project says nothing any more; one that was deleted itself says so.
select t.created_at, 'task_created', t.id, null, t.project_id
from public.tasks t
where t.created_at is not null and (t.state <> 'deleted' or t.deleted_at is not null)
union all
select t.completed_at, 'task_completed', t.id, null, t.project_id
from public.tasks t
where t.completed_at is not null and (t.state <> 'deleted' or t.deleted_at is not null)
union all
select t.updated_at, 'task_changed', t.id, null, t.project_id
from public.tasks t
where t.updated_at > greatest(t.created_at, t.completed_at) + interval '1 minute' and t.state <> 'deleted'
union all
select t.deleted_at, 'task_deleted', t.id, null, t.project_id
from public.tasks t
where t.deleted_at is not null
union all
select k.created_at, 'task_comment', t.id, k.id, t.project_id
from public.task_comments k
join public.tasks t on t.id = k.task_id
where k.created_at is not null and k.deleted_at is null and t.state <> 'deleted'
union all
select coalesce(e.created_at, e.spent_at), 'time_entry', e.id, null, coalesce(t.project_id, e.project_id)
from public.time_entries e
left join public.tasks t on t.id = e.task_id
where coalesce(e.created_at, e.spent_at) is not null and e.deleted_at is null and t.state is distinct from 'deleted'
union all
select coalesce(e.delivered_at, e.created_at),
       case when e.from_address in (select u.email from public.missive_users u where u.email is not null) then 'email_sent' else 'email_received' end,
       e.id, null, b.project_id
from public.emails e
join public.conversations c on c.id = e.conversation_id
left join public.conversation_projects b on b.conversation_id = c.id
where coalesce(e.delivered_at, e.created_at) is not null and e.deleted_at is null and c.deleted_at is null and c.state in ('open', 'closed')
union all
select k.created_at, 'email_comment', k.id, null, b.project_id
from public.email_comments k
join public.conversations c on c.id = k.conversation_id
left join public.conversation_projects b on b.conversation_id = c.id
where k.created_at is not null and k.deleted_at is null and c.deleted_at is null and c.state in ('open', 'closed')
union all
-- At the time of the mail: when it was fetched is no news of the office's.
select coalesce(e.delivered_at, e.created_at), 'attachment', a.id, null, b.project_id
from public.email_attachments a
join public.emails e on e.id = a.email_id
join public.conversations c on c.id = e.conversation_id
left join public.conversation_projects b on b.conversation_id = c.id
where coalesce(e.delivered_at, e.created_at) is not null and e.deleted_at is null and c.deleted_at is null and c.state in ('open', 'closed')
  and a.deleted_at is null and a.content_hash is not null
union all
select k.created_at, 'attachment', a.id, null, b.project_id
from public.email_attachments a
join public.email_comments k on k.id = a.comment_id
join public.conversations c on c.id = k.conversation_id
left join public.conversation_projects b on b.conversation_id = c.id
where k.created_at is not null and k.deleted_at is null and c.deleted_at is null and c.state in ('open', 'closed')
  and a.deleted_at is null and a.content_hash is not null
union all
select d.decided_at, 'decision', d.item_id, d.id, case when d.item = 'file' then f.project_id else t.project_id end
from public.link_decisions d
left join public.files f on d.item = 'file' and f.id = d.item_id
left join public.tasks t on d.item = 'task' and t.id = d.item_id
where d.item in ('file', 'task')
union all
select d.decided_at, 'decision', d.item_id, d.id, b.project_id
from public.link_decisions d
left join public.conversation_projects b on b.conversation_id = d.item_id
where d.item = 'conversation' and d.target <> 'project'
union all
select d.decided_at, 'decision', d.item_id, d.id, d.target_id
from public.link_decisions d
where d.item = 'conversation' and d.target = 'project';
comment on view ops.activity_now is 'What there is to tell now: when, what kind, of which item, by which row; a conversation in two projects tells both';

create table ops.activity_entries (
    id bigint generated always as identity primary key,
    at timestamptz not null,
    kind text not null,
    item_id bigint not null,
    ref_id bigint,
    project_id bigint
);
create index activity_entries_at on ops.activity_entries (at);
create index activity_entries_project on ops.activity_entries (project_id, at);
comment on table ops.activity_entries is 'What activity tells, in order: a copy of activity_now, without any text';
comment on column ops.activity_entries.item_id is 'What it is about: a file, task, time entry, mail, comment or attachment; of a decision what link_decisions says';
comment on column ops.activity_entries.ref_id is 'The version, comment or decision that it comes from';

-- With its owner's rights, because it reads ops.activity_entries, which holds no text. What may not be read any more (a deleted mail, a conversation in the trash)
-- is told by nobody: the entries wait for activity.py, the texts and the filter do not.
create view public.activity as
select a.at, a.kind, a.told[1] as label, a.told[4] as item, a.item_id, a.project_id,
       (select p.name from public.projects p where p.id = a.project_id) as project, a.told[2] as who,
       case when a.kind = 'decision' then 'Büro' when a.kind like 'file%' then 'NAS' when a.kind like 't%' then 'Teamwork' else 'Missive' end as source,
       a.told[3] as url
from (
    select e.at, e.kind, e.item_id, e.project_id, case
        when e.kind = 'file_found' then (
            select array['Datei im Bestand: ' || f.name, f.created_by, f.nas_url, 'file'] from public.files f where f.id = e.item_id)
        when e.kind like 'file%' then (
            select array[
                case e.kind when 'file_new' then 'Datei neu: ' || n.name when 'file_changed' then 'Datei geändert: ' || n.name
                            when 'file_restored' then 'Datei wieder da: ' || n.name when 'file_deleted' then 'Datei gelöscht: ' || v.path
                            when 'file_renamed' then 'Datei umbenannt: ' || b.name || ' → ' || n.name else 'Datei verschoben: ' || b.path || ' → ' || v.path end
                || case when e.kind in ('file_renamed', 'file_moved') and b.content_hash <> v.content_hash then ' (und geändert)' else '' end,
                case e.kind when 'file_new' then f.created_by end, f.nas_url, 'file']
            from public.file_versions v
            join public.files f on f.id = v.file_id
            cross join lateral (select regexp_replace(v.path, '^.*/', '') as name) as n
            left join lateral (
                select p.path, p.content_hash, regexp_replace(p.path, '^.*/', '') as name
                from public.file_versions p
                where p.file_id = v.file_id and p.valid_to <= v.valid_from and p.id <> v.id
                order by p.valid_to desc limit 1
            ) as b on true
            where v.id = e.ref_id)
        when e.kind = 'task_comment' then (
            select array['Kommentar zur Aufgabe: ' || t.name, p.name, t.url, 'task']
            from public.task_comments k join public.tasks t on t.id = k.task_id left join public.people p on p.id = k.author_id
            where k.id = e.ref_id)
        when e.kind like 'task%' then (
            select array[
                case e.kind when 'task_created' then 'Aufgabe angelegt: ' when 'task_completed' then 'Aufgabe erledigt: '
                            when 'task_changed' then 'Aufgabe geändert: ' else 'Aufgabe gelöscht: ' end || t.name, p.name, t.url, 'task']
            from public.tasks t
            left join public.people p on p.id = case e.kind when 'task_created' then t.creator_id when 'task_completed' then t.completer_id end
            where t.id = e.item_id)
        when e.kind = 'time_entry' then (
            select array[
                format('Zeit erfasst: %s:%s h', s.minutes / 60, lpad((s.minutes % 60)::text, 2, '0'))
                || coalesce(' am ' || to_char(s.spent_at at time zone 'Europe/Berlin', 'DD.MM.YYYY'), '') || coalesce(', ' || t.name, ''),
                p.name, t.url, 'time_entry']
            from public.time_entries s left join public.tasks t on t.id = s.task_id left join public.people p on p.id = s.person_id
            where s.id = e.item_id)
        when e.kind in ('email_received', 'email_sent') then (
            select array[
                case when m.type <> 'email' then 'Nachricht: ' when e.kind = 'email_sent' then 'Mail gesendet: ' else 'Mail erhalten: ' end
                || coalesce(nullif(m.subject, ''), nullif(c.subject, ''), '(ohne Betreff)'),
                coalesce(nullif(trim(m.from_name), ''), m.from_address), c.url, 'email']
            from public.emails m join public.conversations c on c.id = m.conversation_id
            where m.id = e.item_id)
        when e.kind = 'email_comment' then (
            select array[
                'Kommentar zur Mail: ' || coalesce(nullif(c.subject, ''), '(ohne Betreff)'),
                coalesce(nullif(trim(k.author_name), ''), k.author_email), c.url, 'email_comment']
            from public.email_comments k join public.conversations c on c.id = k.conversation_id
            where k.id = e.item_id)
        when e.kind = 'attachment' then (
            select array[
                'Anhang auf dem NAS: ' || a.name,
                coalesce(nullif(trim(m.from_name), ''), m.from_address, nullif(trim(k.author_name), ''), k.author_email), c.url, 'email_attachment']
            from public.email_attachments a
            left join public.emails m on m.id = a.email_id
            left join public.email_comments k on k.id = a.comment_id
            join public.conversations c on c.id = coalesce(m.conversation_id, k.conversation_id)
            where a.id = e.item_id)
        else (
            select array[
                format(case when d.is_linked then 'Von Hand verknüpft: %s – %s' else 'Von Hand getrennt: %s – %s' end, coalesce(g.label, l.label, p.name, '(gibt es nicht mehr)'),
                       coalesce(f.name, t.name, nullif(c.subject, ''), '(ohne Betreff)')),
                null, coalesce(f.nas_url, t.url, c.url), d.item]
            from public.link_decisions d
            left join public.cost_groups g on d.target = 'cost_group' and g.id = d.target_id
            left join public.locations l on d.target = 'location' and l.id = d.target_id
            left join public.projects p on d.target = 'project' and p.id = d.target_id
            left join public.files f on d.item = 'file' and f.id = d.item_id
            left join public.tasks t on d.item = 'task' and t.id = d.item_id
            left join public.conversations c on d.item = 'conversation' and c.id = d.item_id
            where d.id = e.ref_id)
        end as told
    from ops.activity_entries e
    where case
        when e.kind like 'file%' then exists (select from public.files f where f.id = e.item_id)
        when e.kind = 'task_comment' then exists (select from public.task_comments k where k.id = e.ref_id and k.deleted_at is null)
        when e.kind like 'task%' then exists (select from public.tasks t where t.id = e.item_id)
        when e.kind = 'time_entry' then exists (select from public.time_entries s where s.id = e.item_id and s.deleted_at is null)
        when e.kind in ('email_received', 'email_sent') then exists (
            select from public.emails m join public.conversations c on c.id = m.conversation_id
            where m.id = e.item_id and m.deleted_at is null and c.deleted_at is null and c.state in ('open', 'closed'))
        when e.kind = 'email_comment' then exists (
            select from public.email_comments k join public.conversations c on c.id = k.conversation_id
            where k.id = e.item_id and k.deleted_at is null and c.deleted_at is null and c.state in ('open', 'closed'))
        when e.kind = 'attachment' then exists (
            select from public.email_attachments a
            left join public.emails m on m.id = a.email_id and m.deleted_at is null
            left join public.email_comments k on k.id = a.comment_id and k.deleted_at is null
            join public.conversations c on c.id = coalesce(m.conversation_id, k.conversation_id)
            where a.id = e.item_id and a.deleted_at is null and c.deleted_at is null and c.state in ('open', 'closed'))
        else exists (
            select from public.link_decisions d
            left join public.conversations c on d.item = 'conversation' and c.id = d.item_id
            left join public.tasks t on d.item = 'task' and t.id = d.item_id
            left join public.files f on d.item = 'file' and f.id = d.item_id
            where d.id = e.ref_id and (f.deleted_at is null and f.id is not null or t.state <> 'deleted' or c.deleted_at is null and c.state in ('open', 'closed')))
        end
) as a;
comment on view public.activity is 'What happened to which item, when and by whom, by the sources'' own times: per project and over all, order by at desc';
comment on column public.activity.at is 'When: of files as the platform saw it, of all else as Teamwork and Missive say';
comment on column public.activity.kind is 'file_found, file_new, file_changed, file_renamed, file_moved, file_deleted, file_restored, task_created, task_completed, task_changed (the last time), task_deleted, task_comment, time_entry, email_received, email_sent, email_comment, attachment, decision';
comment on column public.activity.label is 'The same in a sentence';
comment on column public.activity.item is 'file, task, time_entry, email, email_comment, email_attachment or conversation';
comment on column public.activity.item_id is 'Id in the table of that name';
comment on column public.activity.project_id is 'Id in projects; what belongs to two stands here twice';
comment on column public.activity.who is 'Who did it, where that is known';
comment on column public.activity.source is 'NAS, Teamwork, Missive or Büro (a person, in NocoDB)';
comment on column public.activity.url is 'The file, task or conversation where it came from';

-- Problems.

create view ops.refused_folders as
select r.scan_id as scan, f.folder, count(*) as missing_files, min(f.path) as for_example, min(s.started_at) as since
from ops.refused_deletions r
join ops.scans s on s.id = r.scan_id and s.confirmed_at is null
join public.files f on f.id = r.file_id and f.deleted_at is null
join ops.folders d on d.folder = f.folder and d.last_scan_id = r.scan_id
group by r.scan_id, f.folder;
comment on view ops.refused_folders is 'Folders of which a scan missed more files than it believed, as of the newest scan of each: the next one refuses again what is still missing';

create view ops.unsaved_attachments as
select a.id, a.name, r.subject, r.conversation_id, t.reason, t.attempts, t.permanent, t.tried_at, t.next_try_at
from ops.attachment_attempts t
join public.email_attachments a on a.id = t.attachment_id
join ops.attachments_in_reach r on r.id = a.id
where a.content_hash is null and a.skip_reason is null and (t.permanent or t.attempts >= 6);
comment on view ops.unsaved_attachments is 'Attachments given up, or tried so often that it is no passing trouble; of what is live and may be read only';

create view ops.idle_folder_mappings as
select m.id, m.folder, p.name as project, case when p.deleted_at is not null then 'deleted_project' else 'no_files' end as why
from (select id, project_id, folder, normalize(folder, nfc) as plain from public.folder_mappings) as m
join public.projects p on p.id = m.project_id
where p.deleted_at is not null or not exists (
    select from ops.folders d
    join public.files f on f.folder = d.folder and f.deleted_at is null
    where (d.folder = m.plain or starts_with(d.folder, m.plain || '/') or starts_with(m.plain, d.folder || '/') or d.folder = '_loose')
      and starts_with(f.path, m.plain || '/'));
comment on view ops.idle_folder_mappings is 'Rows of folder_mappings that do nothing: no live file stands in or below the folder, or the project is deleted';

create view ops.idle_link_rules as
select id, name, decides, reads, pattern, why
from (
    select r.*, case
        when p.deleted_at is not null then 'deleted_project'
        when r.decides = 'document_type' and r.reads in ('tag', 'label', 'subject') then 'kinds_of_files_only'
        when r.decides = 'project' and r.reads = 'tag' then 'project_by_list' end as why
    from public.link_rules r
    left join public.projects p on p.id = r.project_id
    where r.is_enabled
) as r
where why is not null;
comment on view ops.idle_link_rules is 'Rules that are on and can decide nothing';

create view ops.likely_folders as
select r.project_folder_id, r.folder, n.files, r.project_id, r.project, r.similarity
from (
    select distinct on (project_folder_id) * from ops.resemblances where lacks_folder and similarity >= 0.5
    order by project_folder_id, similarity desc, project_id
) as r
cross join lateral (select count(*) as files from public.files f where f.folder = r.folder and f.deleted_at is null having count(*) > 0) as n;
comment on view ops.likely_folders is 'Folders with files that belong to no project, while a live project without a folder has a name that resembles theirs';

create view public.problems as
select case p.kind when 'unreadable_directory' then 'Ordner nicht lesbar' when 'unreadable_file' then 'Datei nicht lesbar' else 'Datei ändert sich dauernd' end as kind,
       p.path as what, p.reason, p.first_seen_at as since, 'Leserecht auf dem NAS geben; der nächste Scan holt es nach' as what_to_do, null::text as url,
       null::text as item, null::bigint as item_id
from ops.path_problems p
where p.first_seen_at <= now() - interval '15 minutes'
union all
select case r.step when 'thumbnail' then 'Vorschau fehlt' when 'text' then 'Text fehlt' when 'store' then 'Original nicht gesichert' else r.step end,
       f.path || case when f.files > 1 then format(' (und %s weitere)', f.files - 1) else '' end, r.reason, r.finished_at,
       case when r.permanent then 'Datei öffnen: oft ist sie beschädigt oder verschlüsselt' else 'Wird von selbst wieder versucht' end, f.url, 'file', f.id
from ops.step_results r
join lateral (
    select count(*) as files, min(l.path) as path, (array_agg(l.nas_url order by l.path))[1] as url, (array_agg(l.id order by l.path))[1] as id
    from public.files l
    where l.content_hash = r.content_hash and l.deleted_at is null
    having count(*) > 0
) as f on true
where r.state = 'failed'
union all
select 'Anhang nicht gespeichert', a.name || coalesce(' – ' || nullif(a.subject, ''), ''), a.reason, a.tried_at,
       case when a.permanent then 'Gibt es nur noch in Missive' else 'Wird von selbst wieder versucht' end, c.url, 'email_attachment', a.id
from ops.unsaved_attachments a
join public.conversations c on c.id = a.conversation_id
union all
select 'Unterhaltung nicht gelesen', coalesce(nullif(c.subject, ''), u.missive_id), u.error, u.due_at, 'In Missive öffnen; wird von selbst wieder versucht', c.url,
       'conversation', c.id
from ops.unread_conversations u
left join public.conversations c on c.missive_id = u.missive_id
where u.is_late and u.error is not null and c.deleted_at is null
union all
select 'Mails fehlen', coalesce(nullif(i.subject, ''), i.missive_id), format('%s gespeichert, Missive zählt %s', i.stored + i.forgotten, i.messages_count), i.last_activity_at,
       'Die nächste Nacht liest sie neu; sonst die Unterhaltung in Missive öffnen und zählen', i.url, 'conversation', i.id
from ops.incomplete_conversations i
where i.due_at is null
union all
select 'Löschung nicht geglaubt', r.folder, format('%s Dateien fehlen auf einmal, z. B. %s', r.missing_files, r.for_example), r.since,
       format('Ordner verschoben oder nicht verbunden? Sonst: ibhelm scan --confirm-deletions %s', r.scan), null, null, null
from ops.refused_folders r
union all
select 'Löschung nicht geglaubt', initcap(c.source) || ': ' || c.resource, format('%s fehlen auf einmal', c.refused_deletions), c.full_synced_at,
       'Zugang prüfen: ibhelm status, ibhelm doctor', null, null, null
from ops.sync_cursors c
where c.refused_deletions > 0 and c.switched_off_at is null
union all
select 'Inhalt heimlich verändert', b.path, 'Die Bytes sind andere, Größe und Zeit nicht', b.found_at, 'Platten des NAS prüfen; das gute Original ist gesichert', f.nas_url,
       'file', b.file_id
from ops.bit_rot b
join public.files f on f.id = b.file_id
where b.healed_at is null
union all
select 'Aufgegeben', e.label, e.error, e.poisoned_at, 'Ursache beheben; der nächste Scan oder Abgleich holt es nach', null, null, null
from ops.given_up_events e
union all
select 'Nicht verstanden', format('%s: %s %s', initcap(r.source), r.kind, r.vendor_id), 'Etwas daran ist anders als erwartet', r.read_at, 'Dem Betreuer melden', null, null, null
from ops.raw_records r
where r.error is not null
union all
select 'Ordner ohne Projekt', l.folder, format('Heißt ähnlich wie %s, das keinen Ordner hat', l.project), null, 'Gehören sie zusammen, in folder_mappings eintragen', null,
       'project', l.project_id
from ops.likely_folders l
union all
select 'Zuordnung ohne Wirkung', m.folder,
       case m.why when 'deleted_project' then 'Das Projekt ist gelöscht: ' || m.project else 'Unter diesem Pfad liegt keine Datei' end, null, 'Zeile in folder_mappings berichtigen oder löschen', null, 'folder_mapping', m.id
from ops.idle_folder_mappings m
union all
select 'Regel ohne Wirkung', r.name,
       case r.why when 'deleted_project' then 'Das Projekt ist gelöscht' when 'kinds_of_files_only' then 'Eine Dokumentart haben nur Dateien'
                  else 'Das Projekt einer Aufgabe sagt ihre Liste in Teamwork' end, null, 'Regel in link_rules berichtigen oder abschalten', null, 'link_rule', r.id
from ops.idle_link_rules r;
comment on view public.problems is 'What somebody should see to: what cannot be read, failed or was not believed. Empty when all is well';
comment on column public.problems.kind is 'What sort of problem';
comment on column public.problems.what is 'Path, name or subject';
comment on column public.problems.reason is 'Why, as the tool says it';
comment on column public.problems.since is 'Since when, or when it was last tried';
comment on column public.problems.item is 'file, email_attachment, conversation, project, folder_mapping or link_rule';
comment on column public.problems.item_id is 'Id in the table of that name';

-- How complete the register is. Counting takes a second for 300,000 files, too much for a view that is asked at any time: it is done with every computation of
-- all links (ibhelm_pipelines/register/counting.py).

create table ops.register_counts (
    item text primary key check (item in ('file', 'task', 'conversation')),
    live bigint not null,
    with_project bigint not null,
    with_cost_group bigint not null,
    with_place bigint not null,
    with_document_type bigint,
    counted_at timestamptz not null default now()
);
comment on table ops.register_counts is 'How many live items there are, and how many of them have which link';
comment on column ops.register_counts.with_document_type is 'Files only';

create view ops.uncomputed_links as
select max(r.finished_at) as finished_at
from ops.register_runs r
having coalesce(max(r.finished_at), (select min(first_seen_at) from ops.folders where present)) < now() - interval '2 days';
comment on view ops.uncomputed_links is 'When all links were last computed, if that is more than two days ago';

alter view ops.health rename to health_without_register;

create view ops.health as
select subject, state, number, bytes, since, detail from ops.health_without_register
union all
select 'register',
       case when exists (select from ops.uncomputed_links) then 'error'
            when exists (select from ops.idle_folder_mappings) or exists (select from ops.idle_link_rules) or exists (select from ops.likely_folders) then 'warning'
            else 'ok' end,
       (select count(*) from public.project_folders where project_id is null), null, (select max(finished_at) from ops.register_runs),
       coalesce((
           select string_agg(
                      item || 's: ' || 100 * with_project / live || ' % with project, ' || 100 * with_cost_group / live || ' % cost group, '
                      || 100 * with_place / live || ' % place' || coalesce(', ' || 100 * with_document_type / live || ' % kind', ''),
                      '; ' order by item = 'file' desc, item desc)
           from ops.register_counts where live > 0), 'not computed yet');
comment on view ops.health is 'How the platform is: one row per subject. Fast enough to be asked at any time';
comment on column ops.health.subject is 'What the row is about: files, whole scan, queue of a source, a process, a step, objects of a kind, alerts, database, a vendor, register';
comment on column ops.health.state is 'ok, warning or error';
comment on column ops.health.number is 'How many: live files, files seen by the scan, paths, waiting events, contents without a result, objects, alerts, live tasks, live mails, folders without a project';
comment on column ops.health.since is 'Last scan, reading or computation, oldest waiting event, last sign of life, newest object, oldest trouble';
comment on column ops.health.detail is 'The rest, for people';
