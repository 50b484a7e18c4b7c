-- NocoDB: what the set-up made there, and what its lists need to be quick.

create table ops.nocodb_made (
    base_id text not null,
    thing text not null,
    value jsonb not null,
    made_at timestamptz not null default now(),
    primary key (base_id, thing)
);
comment on table ops.nocodb_made is 'What `ibhelm nocodb-setup` wrote into NocoDB: where NocoDB says something else now, a person changed it, and it stays';
comment on column ops.nocodb_made.base_id is 'The base, as NocoDB names it';

-- Stacks of a kanban are called as their values are; these are read by people.
alter table public.tasks add column state_label text not null generated always as (
    case state when 'open' then 'Offen' when 'completed' then 'Erledigt' when 'archived' then 'Archiviert' else 'Gelöscht' end) stored
    check (state_label in ('Offen', 'Erledigt', 'Archiviert', 'Gelöscht'));
comment on column public.tasks.state_label is 'state, in German';
alter table public.conversations add column state_label text not null generated always as (
    case state when 'open' then 'Offen' when 'closed' then 'Geschlossen' when 'trashed' then 'Im Papierkorb' else 'Spam' end) stored
    check (state_label in ('Offen', 'Geschlossen', 'Im Papierkorb', 'Spam'));
comment on column public.conversations.state_label is 'state, in German';

-- The newest first, in the order in which NocoDB asks for them.
create index files_newest on public.files (modified_at desc nulls last) where deleted_at is null;
create index emails_newest on public.emails (delivered_at desc nulls last) where deleted_at is null;

-- What a file belongs to, in words: NocoDB asks one query for each link that a list shows (100 rows with two links: a second), and none for these. What is renamed
-- later reaches them with the next run of the register.
alter table public.files add column project_name text, add column document_type text;
comment on column public.files.project_name is 'Name of the project, for lists; project_id is what counts';
comment on column public.files.document_type is 'Name of the document type, for lists; document_type_id is what counts';

create function ops.name_links() returns trigger language plpgsql as $$
begin
    new.project_name := (select p.name from public.projects p where p.id = new.project_id);
    new.document_type := (select t.name from public.document_types t where t.id = new.document_type_id);
    return new;
end $$;
create trigger files_are_named before insert on public.files
    for each row when (num_nonnulls(new.project_id, new.document_type_id) > 0) execute function ops.name_links();
create trigger files_are_named_anew before update of project_id, document_type_id on public.files
    for each row when ((old.project_id, old.document_type_id) is distinct from (new.project_id, new.document_type_id)) execute function ops.name_links();

update public.files f
set project_name = (select p.name from public.projects p where p.id = f.project_id),
    document_type = (select t.name from public.document_types t where t.id = f.document_type_id)
where num_nonnulls(f.project_id, f.document_type_id) > 0;

create index files_newest_without_project on public.files (modified_at desc nulls last) where deleted_at is null and project_id is null;
create index files_newest_without_document_type on public.files (modified_at desc nulls last) where deleted_at is null and document_type_id is null;
