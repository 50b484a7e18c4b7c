-- What ibhelm_pipelines/search/documents.py keeps beside search.documents: how often each word is, exactly, whoever deletes a document; and how the search is.

alter table search.documents add column vocabulary text[] not null default '{}';
comment on column search.documents.vocabulary is 'Its words as they are written, folded, each once: what search.vocabulary counts';

-- Counts change all the time and words never: with room on its page a row changes without its index entries.
alter table search.lexemes set (fillfactor = 60);
alter table search.vocabulary set (fillfactor = 60);

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
    truncate search.lexemes, search.vocabulary, search.uncounted;
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

-- What changes its conversation or task, and comes under one that is gone.
create function search.drop_moved_message() returns trigger language plpgsql security definer set search_path = '' as $$
begin
    if not exists (select from public.conversations c where c.id = new.conversation_id and c.deleted_at is null and c.state in ('open', 'closed')) then
        delete from search.documents where kind = tg_argv[0] and item_id = new.id;
    end if;
    return null;
end $$;
create trigger leave_search_on_move after update of conversation_id on public.emails for each row
    when (old.conversation_id is distinct from new.conversation_id) execute function search.drop_moved_message('email');
create trigger leave_search_on_move after update of conversation_id on public.email_comments for each row
    when (old.conversation_id is distinct from new.conversation_id) execute function search.drop_moved_message('email_comment');

create function search.drop_moved_comment() returns trigger language plpgsql security definer set search_path = '' as $$
begin
    if not exists (select from public.tasks t where t.id = new.task_id and t.deleted_at is null and t.state <> 'deleted') then
        delete from search.documents where kind = 'task_comment' and item_id = new.id;
    end if;
    return null;
end $$;
create trigger leave_search_on_move after update of task_id on public.task_comments for each row
    when (old.task_id is distinct from new.task_id) execute function search.drop_moved_comment();

create table ops.failed_documents (
    kind text not null,
    item_id bigint not null,
    digest uuid not null,
    error text not null,
    failed_at timestamptz not null default now(),
    primary key (kind, item_id)
);
comment on table ops.failed_documents is 'Things of which no document could be made, so that they do not keep all others from being found; tried again when they change';
comment on column ops.failed_documents.error is 'Kind of error, without any text of the thing; the log has the rest';

-- What can be found, by what it says itself and what it hangs on. since: when it came to us, or came back.
create view ops.findable_items as
select 'file' as kind, f.id as item_id, f.path as what, f.last_seen_at as since from public.files f where f.deleted_at is null
union all
select 'email', e.id, coalesce(nullif(e.subject, ''), c.subject, ''), r.read_at
from public.emails e
join public.conversations c on c.id = e.conversation_id and c.deleted_at is null and c.state in ('open', 'closed')
left join ops.raw_records r on r.source = 'missive' and r.kind = 'emails' and r.vendor_id = e.missive_id
where e.deleted_at is null
union all
select 'email_comment', k.id, coalesce(c.subject, ''), r.read_at
from public.email_comments k
join public.conversations c on c.id = k.conversation_id and c.deleted_at is null and c.state in ('open', 'closed')
left join ops.raw_records r on r.source = 'missive' and r.kind = 'email_comments' and r.vendor_id = k.missive_id
where k.deleted_at is null
union all
select 'task', t.id, t.name, r.read_at
from public.tasks t left join ops.raw_records r on r.source = 'teamwork' and r.kind = 'tasks' and r.vendor_id = t.teamwork_id::text
where t.deleted_at is null and t.state <> 'deleted'
union all
select 'task_comment', k.id, t.name, r.read_at
from public.task_comments k
join public.tasks t on t.id = k.task_id and t.deleted_at is null and t.state <> 'deleted'
left join ops.raw_records r on r.source = 'teamwork' and r.kind = 'comments' and r.vendor_id = k.teamwork_id::text
where k.deleted_at is null;
comment on view ops.findable_items is 'All live files, mails, comments and tasks: what has to have a document';

create view ops.overdue_search as
select max(r.finished_at) as finished_at
from ops.search_runs r
having coalesce(max(r.finished_at), (select min(first_seen_at) from ops.folders where present), (select min(synced_at) from ops.sync_cursors))
       < now() - interval '1 hour';
comment on view ops.overdue_search is 'When the documents were last brought in line, if that is more than an hour ago';

alter view ops.health rename to health_without_search;

create view ops.health as
select subject, state, number, bytes, since, detail from ops.health_without_search
union all
select 'search',
       case when exists (select from ops.overdue_search) then 'error' when exists (select from ops.failed_documents) then 'warning' else 'ok' end,
       (r.counts ->> 'total')::bigint, null, r.finished_at,
       case when r.finished_at is null then 'no documents yet'
            else format('%s words; %s behind', r.counts ->> 'words', (r.counts ->> 'waiting')::bigint + (select count(*) from ops.failed_documents)) end
from (values (1)) as always left join (select counts, finished_at from ops.search_runs order by finished_at desc limit 1) as r on true;
comment on view ops.health is 'How the platform is: one row per subject. Fast enough to be asked at any time';
comment on column ops.health.subject is 'What the row is about: files, whole scan, queue of a source, a process, a step, objects of a kind, alerts, database, a vendor, register, search';
comment on column ops.health.state is 'ok, warning or error';
comment on column ops.health.number is 'How many: live files, files seen by the scan, paths, waiting events, contents without a result, objects, alerts, live tasks, live mails, folders without a project, documents that can be found';
comment on column ops.health.since is 'Last scan, reading, computation or run, oldest waiting event, last sign of life, newest object, oldest trouble';
comment on column ops.health.detail is 'The rest, for people';
