-- People: who is who over Teamwork, Missive, mail addresses and owners of files, and who takes part in which project (docs/people.md).
--
-- public.people, missive_users and contacts are what the vendors say; persons is who they are. Derived but for columns whose ..._source says person, `note`,
-- and a participant's `role`: those win and stay.

create table public.persons (
    id bigint generated always as identity primary key,
    name text not null check (name <> ''),
    kind text not null default 'person' check (kind in ('person', 'mailbox')),
    email text,
    phone text,
    company_id bigint references public.companies (id) on delete set null,
    is_colleague boolean not null default false,
    note text,
    merged_into_id bigint references public.persons (id) on delete set null check (merged_into_id <> id),
    name_source text not null default 'person' check (name_source in ('rule', 'person')),
    kind_source text not null default 'rule' check (kind_source in ('rule', 'person')),
    company_source text not null default 'rule' check (company_source in ('rule', 'person')),
    merged_into_source text not null default 'rule' check (merged_into_source in ('rule', 'person')),
    deleted_at timestamptz
);
create index persons_company on public.persons (company_id);
create index persons_merged_into on public.persons (merged_into_id) where merged_into_id is not null;
comment on table public.persons is 'Everybody who has to do with the office, each once: merged from Teamwork, Missive, mail addresses and owners of files';
comment on column public.persons.name is 'As Teamwork, Missive or the mails say; a name that a person writes stays until it is emptied';
comment on column public.persons.kind is 'person, or mailbox: an address of several people or of a role (info@, rechnung@); a value that a person sets stays until it is emptied';
comment on column public.persons.email is 'Main address, derived';
comment on column public.persons.phone is 'As the contacts say, derived';
comment on column public.persons.company_id is 'By Teamwork, else by the domain of the address; a value that a person sets stays until it is emptied';
comment on column public.persons.is_colleague is 'Of the office itself, derived';
comment on column public.persons.note is 'Whatever the office wants to note';
comment on column public.persons.merged_into_id is 'The person who this one is, too: all that this one has is shown there. Emptied, they are two again';
comment on column public.persons.name_source is 'rule or person: who set name';
comment on column public.persons.kind_source is 'rule or person: who set kind';
comment on column public.persons.company_source is 'rule or person: who set company_id';
comment on column public.persons.merged_into_source is 'rule or person: who set merged_into_id';
comment on column public.persons.deleted_at is 'Since when no source names this person any more';
comment on table public.people is 'People as Teamwork has them; persons says who they are';

create table public.person_identities (
    id bigint generated always as identity primary key,
    label text not null check (label <> ''),
    person_id bigint references public.persons (id) on delete set null,
    person_source text not null default 'rule' check (person_source in ('rule', 'person')),
    kind text not null check (kind in ('teamwork', 'missive_user', 'contact', 'address', 'file_owner')),
    key text not null check (key <> ''),
    name text,
    is_shared boolean not null default false,
    teamwork_person_id bigint references public.people (id) on delete set null,
    missive_user_id bigint references public.missive_users (id) on delete set null,
    contact_id bigint references public.contacts (id) on delete set null,
    deleted_at timestamptz,
    unique (kind, key)
);
create index person_identities_person on public.person_identities (person_id);
create unique index person_identities_teamwork on public.person_identities (teamwork_person_id) where teamwork_person_id is not null;
create unique index person_identities_missive_user on public.person_identities (missive_user_id) where missive_user_id is not null;
create unique index person_identities_contact on public.person_identities (contact_id) where contact_id is not null;
comment on table public.person_identities is 'What each person is known by: rows of Teamwork and Missive, mail addresses, owners of files';
comment on column public.person_identities.person_id is 'Whose it is, by rule; a value that a person sets stays until it is emptied';
comment on column public.person_identities.person_source is 'rule or person: who set person_id';
comment on column public.person_identities.kind is 'teamwork, missive_user, contact (a card of Missive), address, file_owner (user of the NAS)';
comment on column public.person_identities.key is 'The id at Teamwork or Missive, the address in small letters, or the name of the NAS user';
comment on column public.person_identities.name is 'The name that goes with it there';
comment on column public.person_identities.is_shared is 'An address that belongs to nobody alone: of a role, or carried by several people; it merges nobody';
comment on column public.person_identities.deleted_at is 'Since when it is found in deleted things only';

create table public.project_participants (
    id bigint generated always as identity primary key,
    label text not null,
    project_id bigint not null references public.projects (id) on delete cascade,
    person_id bigint not null references public.persons (id) on delete cascade,
    role text,
    roles text not null default '',
    mails integer not null default 0,
    tasks integer not null default 0,
    comments integer not null default 0,
    minutes integer not null default 0,
    files integer not null default 0,
    first_contact_at timestamptz,
    last_contact_at timestamptz,
    note text,
    unique (project_id, person_id)
);
create index project_participants_person on public.project_participants (person_id);
comment on table public.project_participants is 'Who takes part in which project';
comment on column public.project_participants.label is 'Name of the person';
comment on column public.project_participants.role is 'As the office writes it: Architekt, Prüfstatik, Ansprechpartner Heizung';
comment on column public.project_participants.roles is 'As it follows from tasks, time, mails and files; empty: from nothing, a person entered it';
comment on column public.project_participants.mails is 'Mails from or to this person in conversations of the project';
comment on column public.project_participants.tasks is 'Tasks that this person has to do, made or completed';
comment on column public.project_participants.minutes is 'Minutes that this person entered as time';
comment on column public.project_participants.files is 'Files that belong to this person on the NAS';
comment on column public.project_participants.note is 'Whatever the office wants to note';

create table ops.person_anchors (
    person_id bigint primary key references public.persons (id) on delete cascade,
    identity_id bigint not null unique references public.person_identities (id) on delete cascade
);
comment on table ops.person_anchors is 'The identity that each person was made for: whoever has it is that person, so that numbers stay the same';

-- Human columns (design section 5): who is not the pipeline is a person. Emptying a column hands it back to the rules. Sentences begin with dashes, as in 0009.
create function ops.mark_person_columns() returns trigger language plpgsql as $$
declare
    emptied constant boolean := nullif(btrim(new.name), '') is null;
begin
    if tg_op = 'INSERT' then
        if emptied then
            raise exception '-- Bitte einen Namen eingeben.';
        end if;
        new.name_source := 'person';
        new.kind_source := case when new.kind = 'mailbox' then 'person' else 'rule' end;
        new.company_source := case when new.company_id is null then 'rule' else 'person' end;
        new.merged_into_source := case when new.merged_into_id is null then 'rule' else 'person' end;
        return new;
    end if;
    if new.name is distinct from old.name then
        new.name_source := case when emptied then 'rule' else 'person' end;
        new.name := case when emptied then coalesce(old.email, old.name) else new.name end;
    end if;
    if new.kind is distinct from old.kind then
        new.kind_source := case when nullif(new.kind, '') is null then 'rule' else 'person' end;
        new.kind := coalesce(nullif(new.kind, ''), old.kind);
    end if;
    if new.company_id is distinct from old.company_id then
        new.company_source := case when new.company_id is null then 'rule' else 'person' end;
    end if;
    if new.merged_into_id is distinct from old.merged_into_id then
        new.merged_into_source := case when new.merged_into_id is null then 'rule' else 'person' end;
    end if;
    return new;
end $$;
create trigger persons_by_person before insert or update of name, kind, company_id, merged_into_id on public.persons
    for each row when (current_user <> 'ibhelm_pipeline' and pg_trigger_depth() = 0) execute function ops.mark_person_columns();

-- A person who is another one, who is the first one, would be nobody.
create function ops.refuse_merge_in_circle() returns trigger language plpgsql as $$
declare
    next_id bigint := new.merged_into_id;
begin
    while next_id is not null loop
        if next_id = new.id then
            raise exception '-- Diese Person ist selbst das Ziel der Zusammenführung: „%“ steht schon für sie. Bitte dort das Feld leeren.',
                (select name from public.persons where id = new.merged_into_id);
        end if;
        select merged_into_id into next_id from public.persons where id = next_id;
    end loop;
    return new;
end $$;
create trigger persons_not_in_circle before insert or update of merged_into_id on public.persons
    for each row when (new.merged_into_id is not null and current_user <> 'ibhelm_pipeline') execute function ops.refuse_merge_in_circle();

create function ops.refuse_person_removal() returns trigger language plpgsql as $$
begin
    if old.merged_into_id is not null or exists (select from public.person_identities where person_id = old.id) then
        raise exception '-- „%“ ergibt sich aus Teamwork, Missive oder dem NAS und kann nicht gelöscht werden. Doppelte Personen bitte zusammenführen.',
            old.name;
    end if;
    return old;
end $$;
create trigger persons_removal before delete on public.persons
    for each row when (current_user <> 'ibhelm_pipeline' and pg_trigger_depth() = 0) execute function ops.refuse_person_removal();

create trigger person_identities_by_person before update of person_id on public.person_identities
    for each row when (old.person_id is distinct from new.person_id and current_user <> 'ibhelm_pipeline' and pg_trigger_depth() = 0)
    execute function ops.mark_person('person');

create function ops.name_participant() returns trigger language plpgsql as $$
begin
    new.label := coalesce((select name from public.persons where id = new.person_id), new.label, '?');
    return new;
end $$;
create trigger project_participants_name before insert on public.project_participants
    for each row when (current_user <> 'ibhelm_pipeline') execute function ops.name_participant();

create function ops.refuse_participant_removal() returns trigger language plpgsql as $$
begin
    raise exception '-- Diese Beteiligung ergibt sich aus Aufgaben, Mails oder Dateien (%) und kann nicht gelöscht werden.', old.roles;
end $$;
create trigger project_participants_removal before delete on public.project_participants
    for each row when (old.roles <> '' and current_user <> 'ibhelm_pipeline' and pg_trigger_depth() = 0) execute function ops.refuse_participant_removal();

grant insert (name, kind, company_id, note, merged_into_id), update (name, kind, company_id, note, merged_into_id), delete on public.persons to ibhelm_nocodb;
grant update (person_id) on public.person_identities to ibhelm_nocodb;
grant insert (project_id, person_id, role, note), update (role, note), delete on public.project_participants to ibhelm_nocodb;
