-- Teamwork: directory, tasks, comments and time as Teamwork has them (design section 5), and how vendors are read.
--
-- Columns named teamwork_..._id hold what Teamwork says; the ..._id beside each is our own row of it, empty until that row is there (lesson 11): a child may
-- arrive before its parent. Partial indexes over those that are not linked yet make linking them cheap.

create table public.companies (
    id bigint generated always as identity primary key,
    teamwork_id bigint unique,
    name text not null,
    email text,
    phone text,
    website text,
    street text,
    zip text,
    city text,
    country_code text,
    is_own boolean not null default false,
    created_at timestamptz,
    updated_at timestamptz,
    deleted_at timestamptz
);
comment on table public.companies is 'Firms: clients, partners and the office itself';

create table public.people (
    id bigint generated always as identity primary key,
    teamwork_id bigint unique,
    name text not null,
    first_name text not null default '',
    last_name text not null default '',
    email text check (email = lower(email)),  -- one spelling, or the same person stands there twice (lesson 23)
    title text,
    teamwork_company_id bigint,
    company_id bigint references public.companies (id),
    is_client boolean not null default false,
    created_at timestamptz,
    updated_at timestamptz,
    deleted_at timestamptz
);
create index people_company on public.people (company_id);
create index people_unlinked_company on public.people (teamwork_company_id) where company_id is null and teamwork_company_id is not null;
comment on table public.people is 'People: colleagues and contacts of clients';

create table public.teams (
    id bigint generated always as identity primary key,
    teamwork_id bigint unique,
    name text not null,
    handle text,
    deleted_at timestamptz
);
comment on table public.teams is 'Teams of people that tasks may be assigned to';

create table public.tags (
    id bigint generated always as identity primary key,
    teamwork_id bigint unique,
    name text not null,
    color text,
    teamwork_project_id bigint,
    deleted_at timestamptz
);
comment on table public.tags is 'Tags of tasks, projects and time entries';

create table public.projects (
    id bigint generated always as identity primary key,
    teamwork_id bigint unique,
    name text not null,
    description text,
    status text,
    sub_status text,
    teamwork_company_id bigint,
    company_id bigint references public.companies (id),
    teamwork_owner_id bigint,
    owner_id bigint references public.people (id),
    starts_on date,
    ends_on date,
    created_at timestamptz,
    updated_at timestamptz,
    completed_at timestamptz,
    archived_at timestamptz,
    deleted_at timestamptz,
    url text
);
create index projects_company on public.projects (company_id);
create index projects_unlinked_company on public.projects (teamwork_company_id) where company_id is null and teamwork_company_id is not null;
create index projects_unlinked_owner on public.projects (teamwork_owner_id) where owner_id is null and teamwork_owner_id is not null;
comment on table public.projects is 'Projects of the office';

create table public.project_tags (
    project_id bigint not null references public.projects (id) on delete cascade,
    teamwork_tag_id bigint not null,
    tag_id bigint references public.tags (id),
    primary key (project_id, teamwork_tag_id)
);
create index project_tags_tag on public.project_tags (tag_id);
create index project_tags_unlinked on public.project_tags (teamwork_tag_id) where tag_id is null;
comment on table public.project_tags is 'Which project carries which tag';

create table public.milestones (
    id bigint generated always as identity primary key,
    teamwork_id bigint unique,
    name text not null,
    description text,
    due_on date,
    is_completed boolean not null default false,
    teamwork_project_id bigint,
    project_id bigint references public.projects (id),
    created_at timestamptz,
    updated_at timestamptz,
    deleted_at timestamptz
);
create index milestones_project on public.milestones (project_id);
create index milestones_unlinked_project on public.milestones (teamwork_project_id) where project_id is null and teamwork_project_id is not null;
comment on table public.milestones is 'Milestones of projects';

create table public.task_lists (
    id bigint generated always as identity primary key,
    teamwork_id bigint unique,
    name text not null,
    description text,
    status text,
    position bigint,
    is_private boolean not null default false,
    teamwork_project_id bigint,
    project_id bigint references public.projects (id),
    teamwork_milestone_id bigint,
    milestone_id bigint references public.milestones (id),
    created_at timestamptz,
    updated_at timestamptz,
    deleted_at timestamptz
);
create index task_lists_project on public.task_lists (project_id);
create index task_lists_unlinked_project on public.task_lists (teamwork_project_id) where project_id is null and teamwork_project_id is not null;
create index task_lists_unlinked_milestone on public.task_lists (teamwork_milestone_id) where milestone_id is null and teamwork_milestone_id is not null;
comment on table public.task_lists is 'Lists of tasks within projects';

create table public.custom_fields (
    id bigint generated always as identity primary key,
    teamwork_id bigint unique,
    name text not null,
    type text,
    entity text,
    options jsonb,
    teamwork_project_id bigint,
    deleted_at timestamptz
);
comment on table public.custom_fields is 'Fields that the office added to tasks and projects';

create table public.task_types (
    name text primary key check (name <> ''),
    is_default boolean not null default false
);
create unique index task_types_default on public.task_types (is_default) where is_default;  -- what no rule matches has one type
comment on table public.task_types is 'Kinds of tasks (Aufgabe, Anforderung, ...); the office may add its own';
comment on column public.task_types.is_default is 'The type of tasks that no rule matches';
insert into public.task_types (name, is_default) values ('Aufgabe', true), ('Anforderung', false), ('Hinweis', false), ('Mangel', false), ('Frage', false);

create table public.task_type_rules (
    id bigint generated always as identity primary key,
    tag text not null check (tag <> ''),
    task_type text not null references public.task_types (name) on update cascade on delete cascade,
    priority integer not null default 0
);
comment on table public.task_type_rules is 'A task with this tag has this type; of several rules the one with the highest priority wins, then the oldest';
comment on column public.task_type_rules.tag is 'Name of the tag, whole; capitals and small letters are the same';
insert into public.task_type_rules (tag, task_type, priority)
values ('Anforderung', 'Anforderung', 10), ('Hinweis', 'Hinweis', 10), ('Mangel', 'Mangel', 20), ('Frage', 'Frage', 5), ('Aufgabe', 'Aufgabe', 0);

create table public.tasks (
    id bigint generated always as identity primary key,
    teamwork_id bigint unique,
    name text not null,
    description text,
    description_html text,
    status text,
    state text not null default 'open' check (state in ('open', 'completed', 'archived', 'deleted')),
    task_type text references public.task_types (name) on update cascade on delete set null,
    task_type_source text not null default 'rule' check (task_type_source in ('rule', 'person')),
    priority text,
    progress integer,
    is_private boolean not null default false,
    starts_on date,
    due_on date,
    original_due_on date,
    estimate_minutes integer,
    teamwork_task_list_id bigint,
    task_list_id bigint references public.task_lists (id),
    project_id bigint references public.projects (id),
    teamwork_parent_id bigint,
    parent_id bigint references public.tasks (id) on delete set null,
    teamwork_creator_id bigint,
    creator_id bigint references public.people (id),
    teamwork_completer_id bigint,
    completer_id bigint references public.people (id),
    created_at timestamptz,
    updated_at timestamptz,
    completed_at timestamptz,
    deleted_at timestamptz,
    url text
);
create index tasks_project on public.tasks (project_id);
create index tasks_task_list on public.tasks (task_list_id);
create index tasks_parent on public.tasks (parent_id);
create index tasks_unlinked_task_list on public.tasks (teamwork_task_list_id) where task_list_id is null and teamwork_task_list_id is not null;
create index tasks_unlinked_parent on public.tasks (teamwork_parent_id) where parent_id is null and teamwork_parent_id is not null;
create index tasks_unlinked_creator on public.tasks (teamwork_creator_id) where creator_id is null and teamwork_creator_id is not null;
create index tasks_unlinked_completer on public.tasks (teamwork_completer_id) where completer_id is null and teamwork_completer_id is not null;
comment on table public.tasks is 'Tasks, subtasks included';
comment on column public.tasks.description is 'The description as plain text, derived from description_html';
comment on column public.tasks.description_html is 'The description as Teamwork has it';
comment on column public.tasks.project_id is 'The project of the list: Teamwork''s tasks name none; derived';
comment on column public.tasks.status is 'What Teamwork says of the task itself';
comment on column public.tasks.state is 'What counts: deleted or archived also where the list or the project is; derived';
comment on column public.tasks.task_type is 'By the rules in task_type_rules; a value that a person sets stays until it is emptied';
comment on column public.tasks.task_type_source is 'rule or person: who set task_type';

create table public.task_tags (
    task_id bigint not null references public.tasks (id) on delete cascade,
    teamwork_tag_id bigint not null,
    tag_id bigint references public.tags (id),
    primary key (task_id, teamwork_tag_id)
);
create index task_tags_tag on public.task_tags (tag_id);
create index task_tags_unlinked on public.task_tags (teamwork_tag_id) where tag_id is null;
comment on table public.task_tags is 'Which task carries which tag';

create table public.task_assignees (
    task_id bigint not null references public.tasks (id) on delete cascade,
    kind text not null check (kind in ('person', 'team', 'company')),
    teamwork_assignee_id bigint not null,
    person_id bigint references public.people (id),
    team_id bigint references public.teams (id),
    company_id bigint references public.companies (id),
    primary key (task_id, kind, teamwork_assignee_id),
    check (num_nonnulls(person_id, team_id, company_id) <= 1)
);
create index task_assignees_person on public.task_assignees (person_id);
create index task_assignees_unlinked on public.task_assignees (kind, teamwork_assignee_id) where num_nonnulls(person_id, team_id, company_id) = 0;
comment on table public.task_assignees is 'Who is to do a task: people, teams and companies';

create table public.task_dependencies (
    task_id bigint not null references public.tasks (id) on delete cascade,
    teamwork_predecessor_id bigint not null,
    predecessor_id bigint references public.tasks (id) on delete set null,
    primary key (task_id, teamwork_predecessor_id)
);
create index task_dependencies_predecessor on public.task_dependencies (predecessor_id);
create index task_dependencies_unlinked on public.task_dependencies (teamwork_predecessor_id) where predecessor_id is null;
comment on table public.task_dependencies is 'Which task waits for which other one';

create table public.task_custom_values (
    task_id bigint not null references public.tasks (id) on delete cascade,
    teamwork_custom_field_id bigint not null,
    custom_field_id bigint references public.custom_fields (id),
    value text not null,
    primary key (task_id, teamwork_custom_field_id)
);
create index task_custom_values_unlinked on public.task_custom_values (teamwork_custom_field_id) where custom_field_id is null;
comment on table public.task_custom_values is 'What tasks say in the fields that the office added';

create table public.task_comments (
    id bigint generated always as identity primary key,
    teamwork_id bigint unique,
    body text,
    body_html text,
    teamwork_task_id bigint,
    task_id bigint references public.tasks (id),
    teamwork_author_id bigint,
    author_id bigint references public.people (id),
    created_at timestamptz,
    updated_at timestamptz,
    deleted_at timestamptz
);
create index task_comments_task on public.task_comments (task_id);
create index task_comments_unlinked_task on public.task_comments (teamwork_task_id) where task_id is null and teamwork_task_id is not null;
create index task_comments_unlinked_author on public.task_comments (teamwork_author_id) where author_id is null and teamwork_author_id is not null;
comment on table public.task_comments is 'Comments on tasks';
comment on column public.task_comments.body is 'The comment as plain text, derived from body_html where there is one';

create table public.time_entries (
    id bigint generated always as identity primary key,
    teamwork_id bigint unique,
    description text,
    minutes integer not null check (minutes >= 0),
    is_billable boolean not null default false,
    spent_at timestamptz,
    teamwork_task_id bigint,
    task_id bigint references public.tasks (id),
    teamwork_project_id bigint,
    project_id bigint references public.projects (id),
    teamwork_person_id bigint,
    person_id bigint references public.people (id),
    created_at timestamptz,
    updated_at timestamptz,
    deleted_at timestamptz
);
create index time_entries_task on public.time_entries (task_id);
create index time_entries_project on public.time_entries (project_id);
create index time_entries_person on public.time_entries (person_id);
create index time_entries_unlinked_task on public.time_entries (teamwork_task_id) where task_id is null and teamwork_task_id is not null;
create index time_entries_unlinked_project on public.time_entries (teamwork_project_id) where project_id is null and teamwork_project_id is not null;
create index time_entries_unlinked_person on public.time_entries (teamwork_person_id) where person_id is null and teamwork_person_id is not null;
comment on table public.time_entries is 'Time that people spent on tasks and projects';

create table public.time_entry_tags (
    time_entry_id bigint not null references public.time_entries (id) on delete cascade,
    teamwork_tag_id bigint not null,
    tag_id bigint references public.tags (id),
    primary key (time_entry_id, teamwork_tag_id)
);
create index time_entry_tags_tag on public.time_entry_tags (tag_id);
create index time_entry_tags_unlinked on public.time_entry_tags (teamwork_tag_id) where tag_id is null;
comment on table public.time_entry_tags is 'Which time entry carries which tag';

-- Human columns (design section 5): who is not the pipeline is a person. Emptying the column hands it back to the rules. Not where a type was renamed and the
-- foreign key carries that on: that is a trigger's work, and Postgres' own.
create function ops.mark_task_type() returns trigger language plpgsql as $$
begin
    new.task_type_source := case when new.task_type is null then 'rule' else 'person' end;
    return new;
end $$;
create trigger tasks_task_type_by_person before update of task_type on public.tasks
    for each row when (old.task_type is distinct from new.task_type and current_user <> 'ibhelm_pipeline' and pg_trigger_depth() = 0) execute function ops.mark_task_type();
grant update (task_type) on public.tasks to ibhelm_nocodb;
grant insert, update, delete on public.task_types, public.task_type_rules to ibhelm_nocodb;

create table ops.raw_records (
    source text not null check (source in ('teamwork', 'missive')),
    kind text not null,
    vendor_id text not null,
    body jsonb,
    read_at timestamptz not null,
    gone_at timestamptz,
    error text,
    primary key (source, kind, vendor_id),
    check (body is not null or gone_at is not null)
);
comment on table ops.raw_records is 'What the vendors said last of each thing, as it came: a new column needs no new fetch';
comment on column ops.raw_records.read_at is 'When it was asked, by this server''s clock: an older reading never replaces a newer one';
comment on column ops.raw_records.error is 'Why it could not be understood: it has no row then, or an older one';
comment on column ops.raw_records.gone_at is 'When the vendor first said that it knows no such thing (404); it may come back';

create index raw_records_gone on ops.raw_records (source, kind, vendor_id) where gone_at is not null;
create index raw_records_error on ops.raw_records (source, kind) where error is not null;

create table ops.excluded_projects (
    vendor text not null,
    project_id bigint not null,
    primary key (vendor, project_id)
);
comment on table ops.excluded_projects is 'Projects that the settings leave out, by themselves or by their company, as of the last reading of the directory';

create table ops.sync_cursors (
    source text not null check (source in ('teamwork', 'missive')),
    resource text not null,
    watermark timestamptz,
    synced_at timestamptz,
    full_synced_at timestamptz,
    refused_deletions integer not null default 0 check (refused_deletions >= 0),
    switched_off_at timestamptz,
    steady_since timestamptz,
    primary key (source, resource)
);
comment on table ops.sync_cursors is 'How far each list of each vendor was read; written in the transaction that stores the last page';
comment on column ops.sync_cursors.watermark is 'The vendor''s time up to which everything is stored; the next reading begins a little before it';
comment on column ops.sync_cursors.synced_at is 'When the last complete reading ended, by our clock';
comment on column ops.sync_cursors.full_synced_at is 'When the last reading of everything ended, by our clock';
comment on column ops.sync_cursors.refused_deletions is 'How many things had vanished in the last full reading, too many to be believed without a person';
comment on column ops.sync_cursors.steady_since is 'Since when every reading has ended well, ten minutes after the one before at most';
comment on column ops.sync_cursors.switched_off_at is 'Since when the vendor has no token here: nothing is read, and nothing is late';

create table ops.request_budgets (
    vendor text primary key,
    tokens double precision not null,
    refilled_at timestamptz not null default clock_timestamp(),
    paused_until timestamptz
);
comment on table ops.request_budgets is 'How many requests each vendor still takes from us: one bucket for all processes (lesson 30)';

create table ops.vendor_webhooks (
    vendor text not null,
    url text not null,
    event text not null,
    webhook_id text,
    status text not null default 'not looked at yet',
    is_active boolean not null default false,
    looked_at timestamptz,
    found_off_at timestamptz,
    found_off_before timestamptz,
    primary key (vendor, url, event)
);
comment on table ops.vendor_webhooks is 'The webhooks that we want of a vendor, noted before they are made, and what it says of them: it switches them off without a word';
comment on column ops.vendor_webhooks.webhook_id is 'Nothing where the vendor has none';
comment on column ops.vendor_webhooks.status is 'In the vendor''s word; missing where it has none; else why nobody knows';
comment on column ops.vendor_webhooks.found_off_at is 'When it was last found switched off, and resumed';
comment on column ops.vendor_webhooks.found_off_before is 'When that happened the time before: twice within two days, and our receiver cannot be reached';

-- How Teamwork is, in the views of 0005.

create view ops.readable_vendors as
select source from ops.sync_cursors
where source = 'teamwork' and resource = 'projects' and full_synced_at is not null and switched_off_at is null;
comment on view ops.readable_vendors is 'Vendors that are connected, and whose directory was read once: before that, nothing single is read for a webhook';

create view ops.stale_lists as
select source, resource, synced_at, full_synced_at from ops.sync_cursors
where switched_off_at is null and (synced_at is null or synced_at < now() - interval '30 minutes');
comment on view ops.stale_lists is 'Lists of connected vendors that were not read to their end for half an hour';

create or replace view ops.late_events as
select i.id, i.source, i.kind, i.label, i.folder, i.events, i.attempts, i.error, i.first_event_at
from ops.inbox i
where i.poisoned_at is null
  and i.first_event_at < now() - interval '5 minutes'
  and (i.lease_until is null or i.lease_until < now())  -- what somebody works on does not wait, however long it takes
  -- Of a vendor that is off or away nothing can be read: the failed syncs say so. But when they go well and only this waits, the worker is in trouble.
  and (i.source in ('nas', 'content') or i.source in (select source from ops.readable_vendors) and (
      select min(c.synced_at) > now() - interval '10 minutes' and max(c.steady_since) < now() - interval '5 minutes'
      from ops.sync_cursors c where c.source = i.source));

create or replace view ops.given_up_events as
select i.id, i.source, i.kind, i.label, i.folder, i.events, i.attempts, i.error, i.poisoned_at
from ops.inbox i
where i.poisoned_at is not null
  -- A later scan or sync of everything has looked at the same things; what it could not do, it says itself.
  and (i.source not in ('nas', 'content') or not exists (
      select from ops.scans s
      where s.paths is null and s.folders is null and s.state in ('complete', 'incomplete') and s.started_at > i.poisoned_at))
  and (i.source in ('nas', 'content') or not coalesce((
      select min(c.full_synced_at) > i.poisoned_at from ops.sync_cursors c where c.source = i.source), false));

alter view ops.health rename to health_without_vendors;

create view ops.health as
select subject, state, number, bytes, since, detail from ops.health_without_vendors
union all
select 'teamwork',
       case when bool_and(c.switched_off_at is not null) then 'ok'
            when bool_or(c.resource in (select s.resource from ops.stale_lists s where s.source = 'teamwork')) or sum(c.refused_deletions) > 0 then 'error'
            when exists (select from ops.raw_records where source = 'teamwork' and error is not null) then 'warning' else 'ok' end,
       (select count(*) from public.tasks where teamwork_id is not null and deleted_at is null), null, min(c.synced_at),
       case when bool_and(c.switched_off_at is not null) then 'switched off'
            else format('tasks of %s projects, %s comments, %s time entries',
                        (select count(*) from public.projects where teamwork_id is not null and deleted_at is null),
                        (select count(*) from public.task_comments where deleted_at is null), (select count(*) from public.time_entries where deleted_at is null)) end
from ops.sync_cursors c
where c.source = 'teamwork'
having count(*) > 0;
comment on view ops.health is 'How the platform is: one row per subject. Fast enough to be asked at any time';
comment on column ops.health.subject is 'What the row is about: files, whole scan, queue of a source, a process, a step, objects of a kind, alerts, database, a vendor';
comment on column ops.health.state is 'ok, warning or error';
comment on column ops.health.number is 'How many: live files, files seen by the scan, paths, waiting events, contents without a result, objects, alerts, live tasks';
comment on column ops.health.since is 'Last scan or reading, oldest waiting event, last sign of life, newest object, oldest trouble';
comment on column ops.health.detail is 'The rest, for people';
