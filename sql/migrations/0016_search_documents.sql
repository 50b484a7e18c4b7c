-- What ibhelm_pipelines/search/documents.py keeps beside search.documents: how often each word is, exactly, whoever deletes a document; and how the search is.

alter table search.documents add column vocabulary text[] not null default '{}';
comment on column search.documents.vocabulary is 'Its words as they are written, folded, each once: what search.vocabulary counts';

-- Words of documents that left. Written down where they leave, in many sessions at once; taken off the counts by one at a time, which is documents.py.
create table search.uncounted (
    lexemes text[] not null,
    vocabulary text[] not null
);
comment on table search.uncounted is 'Words of deleted documents that search.lexemes and search.vocabulary still count; for minutes only';

create function search.note_words() returns trigger language plpgsql security definer set search_path = '' as $$
begin
    insert into search.uncounted (lexemes, vocabulary) values (pg_catalog.tsvector_to_array(old.words), old.vocabulary);
    return null;
end $$;
create trigger note_words after delete on search.documents for each row execute function search.note_words();

create function search.drop_words() returns trigger language plpgsql security definer set search_path = '' as $$
begin
    truncate search.lexemes, search.vocabulary, search.uncounted, search.chunks;
    return null;
end $$;
create trigger drop_words after truncate on search.documents for each statement execute function search.drop_words();

-- Mails go with their conversation, comments with their task, wherever nobody touches them themselves.
create function search.drop_conversation() returns trigger language plpgsql security definer set search_path = '' as $$
begin
    delete from search.documents where kind = 'email' and item_id in (select id from public.emails where conversation_id = old.id);
    delete from search.documents where kind = 'email_comment' and item_id in (select id from public.email_comments where conversation_id = old.id);
    return null;
end $$;
create trigger leave_search after update of deleted_at, state on public.conversations for each row
    when (old.deleted_at is null and old.state in ('open', 'closed') and not (new.deleted_at is null and new.state in ('open', 'closed')))
    execute function search.drop_conversation();

create function search.drop_task() returns trigger language plpgsql security definer set search_path = '' as $$
begin
    delete from search.documents where kind = 'task' and item_id = old.id;
    delete from search.documents where kind = 'task_comment' and item_id in (select id from public.task_comments where task_id = old.id);
    return null;
end $$;
create trigger leave_search_with_comments after update of deleted_at, state on public.tasks for each row
    when (old.deleted_at is null and old.state <> 'deleted' and not (new.deleted_at is null and new.state <> 'deleted')) execute function search.drop_task();

-- Who is who: an identity's person, or whom that one was merged into, at the end of the chain. A circle has no end: then it is the person itself.
create function search.person_meant(person bigint) returns bigint language sql stable parallel safe set search_path = '' as $$
    with recursive chain (id, into_id) as (
        select id, merged_into_id from public.persons where id = person
        union
        select p.id, p.merged_into_id from chain c join public.persons p on p.id = c.into_id
    )
    select coalesce((select id from chain where into_id is null), person)
$$;

create view search.identities as
select i.kind, i.key, i.teamwork_person_id, i.missive_user_id, r.id as person_id, r.name as person
from public.person_identities i
join public.persons p on p.id = i.person_id
join public.persons r on r.id = case when p.merged_into_id is null then p.id else search.person_meant(p.id) end;
comment on view search.identities is 'What each person is known by, as public.person_identities, with the person who it is in the end';

create table ops.search_runs (
    id bigint generated always as identity primary key,
    started_at timestamptz not null,
    finished_at timestamptz not null,
    counts jsonb not null default '{}'
);
create index search_runs_finished on ops.search_runs (finished_at);
comment on table ops.search_runs is 'When all that can be found was last brought in line with what there is; the last ones only';
