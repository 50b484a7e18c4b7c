-- Search (ibhelm_pipelines/search/): one document for every file, mail, comment and task; its words, and the vectors of its parts. All of it is derived: it can
-- be thrown away and made again from public. Only what is here is searched, so what is deleted leaves at once, by the triggers below.

create schema search;
comment on schema search is 'What the search looks into, derived from public. Not for the office';
grant usage on schema search to ibhelm_pipeline;
alter default privileges in schema search grant select, insert, update, delete, truncate on tables to ibhelm_pipeline;
alter default privileges in schema search grant usage, select on sequences to ibhelm_pipeline;

create table search.documents (
    id bigint generated always as identity primary key,
    kind text not null check (kind in ('file', 'email', 'email_comment', 'task', 'task_comment')),
    item_id bigint not null,
    title text not null,
    context text not null default '',
    body text not null default '',
    names text not null,
    words tsvector not null,
    text_key uuid,
    project_ids bigint[] not null default '{}',
    company_ids bigint[] not null default '{}',
    cost_groups integer[] not null default '{}',
    location_ids bigint[] not null default '{}',
    person_ids bigint[] not null default '{}',
    document_type_id bigint,
    extension text,
    language text,
    content_hash text,
    occurred_at timestamptz not null,
    digest uuid not null,
    indexed_at timestamptz not null default now(),
    unique (kind, item_id)
) with (toast_tuple_target = 256);  -- what is long stands apart: rows that are only counted or sorted are narrow, and all of them stay in memory
create index documents_words on search.documents using gin (words) with (fastupdate = off);
create index documents_names on search.documents using gin (names gin_trgm_ops);
create index documents_facets on search.documents using gin (project_ids, company_ids, cost_groups, location_ids, person_ids);
create index documents_type on search.documents (document_type_id) where document_type_id is not null;
create index documents_extension on search.documents (extension);
create index documents_occurred on search.documents (occurred_at);
create index documents_text on search.documents (text_key) where text_key is not null;
create index documents_content on search.documents (content_hash) where content_hash is not null;
comment on table search.documents is 'Whatever can be found, one row for each live file, mail, comment and task';
comment on column search.documents.item_id is 'Its id in public: files, emails, email_comments, tasks, task_comments';
comment on column search.documents.title is 'Name of the file, subject of the mail or its conversation, name of the task';
comment on column search.documents.context is 'Where it stands, as people read it: folder; sender; project and list';
comment on column search.documents.body is 'Its text, capped (search/documents.py), with page marks (form feed between pages)';
comment on column search.documents.names is 'Folded: title, path, addresses, numbers; found by any part of it, trigrams';
comment on column search.documents.words is 'Made by search/analysis.py: labels A title, B names and context, C own text, D quoted text and signatures';
comment on column search.documents.text_key is 'Which chunks are its: copies with the same title and text share them. Empty where neither text nor title says anything';
comment on column search.documents.cost_groups is 'Numbers (DIN 276), as linked; a search for 430 asks for 430 to 439';
comment on column search.documents.person_ids is 'Who wrote, got, does or owns it: public.persons';
comment on column search.documents.occurred_at is 'When it was written, sent or changed last';
comment on column search.documents.digest is 'Of all that it is made of, and of the version of the code';

create table search.lexemes (
    lexeme text primary key,
    documents integer not null
);
comment on table search.lexemes is 'In how many documents each lexeme is: rare ones say more';

create table search.vocabulary (
    word text primary key,
    documents integer not null
);
create index vocabulary_similar on search.vocabulary using gin (word gin_trgm_ops);
create index vocabulary_beginning on search.vocabulary (word text_pattern_ops);
comment on table search.vocabulary is 'Every word as it is written (folded), and in how many documents it is: for suggestions';

create table search.models (
    id smallint generated always as identity primary key,
    name text not null,
    version text not null,
    dimensions integer not null check (dimensions between 1 and 4000),
    state text not null default 'building' check (state in ('building', 'serving', 'retired')),
    created_at timestamptz not null default now(),
    serving_since timestamptz,
    unique (name, version)
);
create unique index models_serving on search.models (state) where state = 'serving';
comment on table search.models is 'Models whose vectors are kept. One serves; another one is built beside it until it is complete';

create table search.chunks (
    id bigint generated always as identity,
    model_id smallint not null references search.models (id),
    text_key uuid not null,
    ordinal integer not null,
    page integer,
    start_at integer not null check (start_at >= 0),
    length integer not null check (length >= 0),
    embedding halfvec not null,
    primary key (model_id, text_key, ordinal)
) partition by list (model_id);
comment on table search.chunks is 'Parts of texts and their vectors, a partition for each model, which has its HNSW index';
comment on column search.chunks.page is 'On which page it begins, from 1; empty where the text has no pages';
comment on column search.chunks.length is 'In characters; 0: it is the title alone, of what has no text';
comment on column search.chunks.start_at is 'Where it begins in search.documents.body, in characters from 0';

create table search.saved_searches (
    id bigint generated always as identity primary key,
    name text not null unique check (name <> ''),
    query text not null check (query <> ''),
    created_at timestamptz not null default now()
);
comment on table search.saved_searches is 'Searches that the office keeps';

-- What is deleted leaves at once. Row triggers, because they cost nothing where nothing is deleted: files are updated 300,000 at a time.
create function search.drop_document() returns trigger language plpgsql security definer set search_path = '' as $$
begin
    delete from search.documents where kind = tg_argv[0] and item_id = old.id;
    return null;
end $$;

do $$
declare
    source record;
begin
    for source in select * from (values ('files', 'file'), ('emails', 'email'), ('email_comments', 'email_comment'), ('tasks', 'task'),
                                        ('task_comments', 'task_comment')) as s (name, kind) loop
        execute format('create trigger leave_search after update of deleted_at on public.%I for each row
                            when (old.deleted_at is null and new.deleted_at is not null) execute function search.drop_document(%L)', source.name, source.kind);
        execute format('create trigger leave_search_for_good after delete on public.%I for each row execute function search.drop_document(%L)',
                       source.name, source.kind);
    end loop;
end $$;

-- Vectors of a text that no document has any more go with it.
create function search.drop_chunks() returns trigger language plpgsql security definer set search_path = '' as $$
begin
    if not exists (select from search.documents where text_key = old.text_key) then
        delete from search.chunks where text_key = old.text_key;
    end if;
    return null;
end $$;
create trigger drop_chunks after delete on search.documents for each row when (old.text_key is not null) execute function search.drop_chunks();
create trigger drop_changed_chunks after update of text_key on search.documents for each row
    when (old.text_key is distinct from new.text_key and old.text_key is not null) execute function search.drop_chunks();
