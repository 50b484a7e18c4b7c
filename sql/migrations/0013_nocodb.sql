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
