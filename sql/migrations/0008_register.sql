-- The register: what links files, tasks and mails with projects, cost groups, places and kinds of documents (design section 5).
--
-- Links are derived: pure functions of paths, tags, labels, subjects, texts, rules and mappings, recomputed when any of them changes. What a person decides
-- stands apart (link_decisions, columns whose ..._source says person) and wins.

create table public.cost_groups (
    id bigint generated always as identity primary key,
    label text not null generated always as (number || ' ' || name) stored,
    number integer not null unique check (number between 100 and 999),
    name text not null check (name <> ''),
    last_number integer not null generated always as (
        case when number % 100 = 0 then number + 99 when number % 10 = 0 then number + 9 else number end) stored,
    parent_id bigint references public.cost_groups (id),
    aliases text not null default ''
);
create index cost_groups_parent on public.cost_groups (parent_id);
comment on table public.cost_groups is 'Cost groups of DIN 276:2018-12, three levels';
comment on column public.cost_groups.label is 'Number and name';
comment on column public.cost_groups.name is 'As DIN 276 has it';
comment on column public.cost_groups.last_number is 'Last number of the groups within this one: 430 ends with 439';
comment on column public.cost_groups.aliases is 'Other words for it in the office, separated by commas: Heizung, Wärme';

create table public.document_types (
    id bigint generated always as identity primary key,
    name text not null unique check (name <> '')
);
comment on table public.document_types is 'Kinds of documents (Angebot, Rechnung, Plan, ...); the office may add its own';

create table public.locations (
    id bigint generated always as identity primary key,
    label text not null generated always as (building || coalesce(' / ' || level, '') || coalesce(' / ' || room, '')) stored,
    project_id bigint not null references public.projects (id) on delete cascade,
    building text not null check (building <> ''),
    level text check (level <> ''),
    room text check (room <> ''),
    parent_id bigint references public.locations (id) on delete cascade,
    is_manual boolean not null default true,
    unique nulls not distinct (project_id, building, level, room)
);
create index locations_parent on public.locations (parent_id);
comment on table public.locations is 'Places in the buildings of a project: building, level, room';
comment on column public.locations.is_manual is 'Made by a person; what rules found goes with its last link';
comment on column public.locations.room is 'Of a building without levels, too: then level is empty';

create table public.folder_mappings (
    id bigint generated always as identity primary key,
    folder text not null unique check (folder <> '' and folder !~ '^/|/$|//'),
    project_id bigint not null references public.projects (id) on delete cascade,
    note text
);
create index folder_mappings_project on public.folder_mappings (project_id);
comment on table public.folder_mappings is 'Folders that belong to a project because a person says so, with all below them; the longest one wins';
comment on column public.folder_mappings.folder is 'Path below the NAS root, as projekte/Kita Lindenhof alt';

create table public.project_folders (
    id bigint generated always as identity primary key,
    folder text not null unique,
    project_id bigint references public.projects (id) on delete cascade,  -- the next run writes the folder again, without it
    rule text,
    confidence numeric(3, 2) check (confidence between 0 and 1),
    reason text,
    check ((project_id is null) = (rule is null))
);
create index project_folders_project on public.project_folders (project_id);
comment on table public.project_folders is 'The project folders of the NAS, each with the project that it belongs to, derived';
comment on column public.project_folders.rule is 'Why it belongs to that project: Zuordnung (folder_mappings), Nummer, Name';
comment on column public.project_folders.reason is 'Why it belongs to none';

alter table public.projects
    add column number text,
    add column nas_folder text,
    add column note text;
comment on column public.projects.number is 'The number that its name begins with, derived';
comment on column public.projects.nas_folder is 'Its folder on the NAS, of several the one with the most files, derived';
comment on column public.projects.note is 'Whatever the office wants to note';

create table public.link_rules (
    id bigint generated always as identity primary key,
    name text not null unique check (name <> ''),
    decides text not null check (decides in ('project', 'cost_group', 'place', 'document_type')),
    reads text not null check (reads in ('folder', 'name', 'extension', 'tag', 'label', 'subject', 'text')),
    pattern text not null check (pattern <> ''),
    project_id bigint references public.projects (id) on delete cascade,
    cost_group_id bigint references public.cost_groups (id),
    document_type_id bigint references public.document_types (id) on delete cascade,
    building text check (building <> ''),
    level text check (level <> ''),
    room text check (room <> ''),
    priority integer not null default 0,
    confidence numeric(3, 2) not null default 0.90 check (confidence > 0 and confidence <= 1),
    is_enabled boolean not null default true,
    note text,
    check (project_id is null or decides = 'project'),
    check (cost_group_id is null or decides = 'cost_group'),
    check (document_type_id is null or decides = 'document_type'),
    check (num_nonnulls(building, level, room) = 0 or decides = 'place')
);
comment on table public.link_rules is 'Rules that link files, tasks and conversations with projects, cost groups, places and kinds of documents (docs/register.md)';
comment on column public.link_rules.decides is 'project, cost_group, place or document_type';
comment on column public.link_rules.reads is 'folder (each folder below the project''s), name (of a file, without extension), extension, tag (of a task), label and subject (of a conversation), text (beginning of a file''s text, only where nothing else decides)';
comment on column public.link_rules.pattern is 'Words that must stand there, whole and in this order: Angebot, KGR {KG}, O-{Ort}; * stands for the rest of a word';
comment on column public.link_rules.priority is 'Of several rules for the kind of a document the one with the highest priority wins, then the oldest';
comment on column public.link_rules.confidence is 'How sure a link by this rule is, 0 to 1';

-- Links. A row is derived, but for those without a rule: those are a person's. Four columns at most, or NocoDB takes none of these tables for a link.
create table public.file_cost_groups (
    file_id bigint not null references public.files (id) on delete cascade,
    cost_group_id bigint not null references public.cost_groups (id),
    rule text,
    confidence numeric(3, 2) not null default 1 check (confidence between 0 and 1),
    primary key (file_id, cost_group_id)
);
create index file_cost_groups_cost_group on public.file_cost_groups (cost_group_id);
comment on column public.file_cost_groups.rule is 'Which rule of link_rules decided; empty: a person did; the same in the other tables of links';
comment on column public.file_cost_groups.confidence is 'How sure it is, 0 to 1';
comment on table public.file_cost_groups is 'Which file belongs to which cost group';

create table public.file_locations (
    file_id bigint not null references public.files (id) on delete cascade,
    location_id bigint not null references public.locations (id) on delete cascade,
    rule text,
    confidence numeric(3, 2) not null default 1 check (confidence between 0 and 1),
    primary key (file_id, location_id)
);
create index file_locations_location on public.file_locations (location_id);
comment on table public.file_locations is 'Which file belongs to which place';

create table public.task_cost_groups (
    task_id bigint not null references public.tasks (id) on delete cascade,
    cost_group_id bigint not null references public.cost_groups (id),
    rule text,
    confidence numeric(3, 2) not null default 1 check (confidence between 0 and 1),
    primary key (task_id, cost_group_id)
);
create index task_cost_groups_cost_group on public.task_cost_groups (cost_group_id);
comment on table public.task_cost_groups is 'Which task belongs to which cost group';

create table public.task_locations (
    task_id bigint not null references public.tasks (id) on delete cascade,
    location_id bigint not null references public.locations (id) on delete cascade,
    rule text,
    confidence numeric(3, 2) not null default 1 check (confidence between 0 and 1),
    primary key (task_id, location_id)
);
create index task_locations_location on public.task_locations (location_id);
comment on table public.task_locations is 'Which task belongs to which place';

create table public.conversation_projects (
    conversation_id bigint not null references public.conversations (id) on delete cascade,
    project_id bigint not null references public.projects (id) on delete cascade,
    rule text,
    confidence numeric(3, 2) not null default 1 check (confidence between 0 and 1),
    primary key (conversation_id, project_id)
);
create index conversation_projects_project on public.conversation_projects (project_id);
comment on table public.conversation_projects is 'Which conversation belongs to which projects';

create table public.conversation_cost_groups (
    conversation_id bigint not null references public.conversations (id) on delete cascade,
    cost_group_id bigint not null references public.cost_groups (id),
    rule text,
    confidence numeric(3, 2) not null default 1 check (confidence between 0 and 1),
    primary key (conversation_id, cost_group_id)
);
create index conversation_cost_groups_cost_group on public.conversation_cost_groups (cost_group_id);
comment on table public.conversation_cost_groups is 'Which conversation belongs to which cost group';

create table public.conversation_locations (
    conversation_id bigint not null references public.conversations (id) on delete cascade,
    location_id bigint not null references public.locations (id) on delete cascade,
    rule text,
    confidence numeric(3, 2) not null default 1 check (confidence between 0 and 1),
    primary key (conversation_id, location_id)
);
create index conversation_locations_location on public.conversation_locations (location_id);
comment on table public.conversation_locations is 'Which conversation belongs to which place';

alter table public.files
    add column project_id bigint references public.projects (id) on delete set null,
    add column project_source text not null default 'rule' check (project_source in ('rule', 'person')),
    add column project_rule text,
    add column document_type_id bigint references public.document_types (id) on delete set null,
    add column document_type_source text not null default 'rule' check (document_type_source in ('rule', 'person')),
    add column document_type_rule text,
    add column note text;
create index files_project on public.files (project_id) where deleted_at is null;
create index files_document_type on public.files (document_type_id) where deleted_at is null;
comment on column public.files.project_id is 'By the folder that it stands in, or by a rule; a value that a person sets stays until it is emptied';
comment on column public.files.project_source is 'rule or person: who set project_id';
comment on column public.files.project_rule is 'Which rule did';
comment on column public.files.document_type_id is 'By the rules in link_rules; a value that a person sets stays until it is emptied';
comment on column public.files.document_type_source is 'rule or person: who set document_type_id';
comment on column public.files.document_type_rule is 'Which rule did';
comment on column public.files.note is 'Whatever the office wants to note';

-- What persons decided of links in the bridges. Deleting a row hands the link back to the rules.
create table public.link_decisions (
    id bigint generated always as identity primary key,
    item text not null check (item in ('file', 'task', 'conversation')),
    item_id bigint not null,
    target text not null check (target in ('project', 'cost_group', 'location')),
    target_id bigint not null,
    is_linked boolean not null,
    decided_at timestamptz not null default now(),
    unique (item, item_id, target, target_id)
);
comment on table public.link_decisions is 'Links that a person made or removed by hand: they win over every rule. Deleting a row here hands the link back to the rules';
comment on column public.link_decisions.is_linked is 'Linked by hand, or taken away by hand';

-- Who is not the pipeline is a person (design section 5): not the pipeline's own writing, nor what Postgres carries on by itself (depth).
create function ops.note_link_decision() returns trigger language plpgsql as $$
declare
    item_name constant text := tg_argv[0];
    target_name constant text := tg_argv[1];
    link jsonb;
begin
    link := to_jsonb(case tg_op when 'DELETE' then old else new end);
    insert into public.link_decisions (item, item_id, target, target_id, is_linked)
    values (item_name, (link ->> (item_name || '_id'))::bigint, target_name, (link ->> (target_name || '_id'))::bigint, tg_op = 'INSERT')
    on conflict (item, item_id, target, target_id) do update set is_linked = excluded.is_linked, decided_at = now();
    if tg_op = 'DELETE' then
        return old;
    end if;
    new.rule := null;
    new.confidence := 1;
    return new;
end $$;

do $$
declare
    bridge record;
begin
    for bridge in
        select * from (values ('file', 'cost_group'), ('file', 'location'), ('task', 'cost_group'), ('task', 'location'),
                              ('conversation', 'project'), ('conversation', 'cost_group'), ('conversation', 'location')) as b (item, target)
    loop
        execute format(
            'create trigger %1$s_%2$ss_by_person before insert or delete on public.%1$s_%2$ss for each row
             when (current_user <> ''ibhelm_pipeline'' and pg_trigger_depth() = 0) execute function ops.note_link_decision(%1$L, %2$L)',
            bridge.item, bridge.target);
        execute format('grant insert (%1$s_id, %2$s_id), delete on public.%1$s_%2$ss to ibhelm_nocodb', bridge.item, bridge.target);
    end loop;
end $$;

create function ops.mark_person() returns trigger language plpgsql as $$
declare
    named constant text := tg_argv[0];
begin
    return jsonb_populate_record(new, jsonb_build_object(
        named || '_source', case when to_jsonb(new) ->> (named || '_id') is null then 'rule' else 'person' end, named || '_rule', null));
end $$;
create trigger files_project_by_person before update of project_id on public.files
    for each row when (old.project_id is distinct from new.project_id and current_user <> 'ibhelm_pipeline' and pg_trigger_depth() = 0)
    execute function ops.mark_person('project');
create trigger files_document_type_by_person before update of document_type_id on public.files
    for each row when (old.document_type_id is distinct from new.document_type_id and current_user <> 'ibhelm_pipeline' and pg_trigger_depth() = 0)
    execute function ops.mark_person('document_type');

grant update (project_id, document_type_id, note) on public.files to ibhelm_nocodb;
grant update (note) on public.projects to ibhelm_nocodb;
grant update (aliases) on public.cost_groups to ibhelm_nocodb;
grant insert, update, delete on public.document_types, public.folder_mappings, public.link_rules to ibhelm_nocodb;
grant insert (project_id, building, level, room), delete on public.locations to ibhelm_nocodb;
grant insert, update, delete on public.link_decisions to ibhelm_nocodb;

create table ops.register_runs (
    id bigint generated always as identity primary key,
    started_at timestamptz not null,
    finished_at timestamptz not null,
    counts jsonb not null default '{}'
);
create index register_runs_finished on ops.register_runs (finished_at);
comment on table ops.register_runs is 'Each time that all links were recomputed: how many items there are, and how many of them have which link';

create table ops.linked_items (
    item text not null check (item in ('file', 'task', 'conversation')),
    item_id bigint not null,
    digest uuid not null,
    project_id bigint,
    document_type_id bigint,
    primary key (item, item_id)
);
comment on table ops.linked_items is 'What each item was linked by last: where nothing of it changed, the quick run leaves it alone. Deleting rows costs time, nothing else';
comment on column ops.linked_items.digest is 'Of all that decides: what is written on the item, rules, names of projects, buildings, decisions';
comment on column ops.linked_items.project_id is 'What came of it, of files: a cell that a person emptied since is filled again';
