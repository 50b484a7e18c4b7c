-- Vectors (ibhelm_pipelines/search/embedding.py): what came of each text with each model, a partition of search.chunks for each model, and the change from one to the
-- next. The pipeline may not create tables, so the functions below do it for it, and nothing else.

create table search.embedded_texts (
    model_id smallint not null references search.models (id),
    text_key uuid not null,
    state text not null check (state in ('ok', 'empty', 'failed')),
    chunks integer not null default 0 check (chunks >= 0),
    reason text,
    attempts integer not null default 1 check (attempts >= 1),
    finished_at timestamptz not null default now(),
    primary key (model_id, text_key),
    check ((state = 'ok') = (chunks > 0)),
    check (state = 'ok' or reason is not null)  -- whatever is not ok says why
);
create index embedded_texts_text on search.embedded_texts (text_key);
create index embedded_texts_finished on search.embedded_texts (model_id, finished_at);
create index embedded_texts_failed on search.embedded_texts (model_id) where state = 'failed';
comment on table search.embedded_texts is 'What came of each text with each model. What is missing is what has no row here; written in one transaction with the chunks';
comment on column search.embedded_texts.state is 'ok; empty: nothing in it is worth a vector; failed: see reason, tried again after a day';
comment on column search.embedded_texts.chunks is 'How many rows search.chunks has of it';

alter table search.models add column retired_at timestamptz;
alter table search.models add check ((state = 'retired') = (retired_at is not null));
comment on column search.models.name is 'As IBHELM_EMBEDDING_MODEL names it';
comment on column search.models.version is 'Of the weights, and after a slash that of search/chunking.py: vectors of another one cannot be compared';

-- Its index is there from the beginning and grows with the rows, 300 of them in a second of a core. Building it afterwards is ten times as fast (docs/search.md says how),
-- but locks out whoever deletes a document meanwhile (drop_chunks below); and without a GPU computing the vectors takes longer than either.
create function search.create_partition(model smallint, dimensions integer) returns void language plpgsql set search_path = '' as $$
begin
    execute format('create table search.%I partition of search.chunks (check (public.vector_dims(embedding) = %s)) for values in (%s)', 'chunks_' || model, dimensions, model);
    execute format('create index %I on search.%I using hnsw ((embedding::public.halfvec(%s)) public.halfvec_cosine_ops) with (m = 16, ef_construction = 64)',
                   'chunks_' || model || '_vectors', 'chunks_' || model, dimensions);
end $$;
revoke execute on function search.create_partition from public;

-- Retires every model but the one that serves and the wanted one, and gives the wanted one its partition. The first model ever serves from its first chunk.
create function search.want_model(wanted_name text, wanted_version text, wanted_dimensions integer) returns smallint
language plpgsql security definer set search_path = '' as $$
declare
    wanted search.models;
    serves boolean;
begin
    perform pg_advisory_xact_lock(hashtextextended('ibhelm models', 0));
    select * into wanted from search.models where (name, version) = (wanted_name, wanted_version);
    serves := not exists (select from search.models where state = 'serving');
    update search.models set state = 'retired', retired_at = now() where state = 'building' and id is distinct from wanted.id;
    if wanted.state in ('serving', 'building') then
        return wanted.id;
    end if;
    if wanted.id is null then
        insert into search.models (name, version, dimensions) values (wanted_name, wanted_version, wanted_dimensions) returning * into wanted;
    else
        perform search.drop_partition(wanted.id);
    end if;
    update search.models set state = case when serves then 'serving' else 'building' end, serving_since = case when serves then now() end, retired_at = null,
                             created_at = now(), dimensions = wanted_dimensions
    where id = wanted.id;
    perform search.create_partition(wanted.id, wanted_dimensions);
    return wanted.id;
end $$;
comment on function search.want_model is 'Makes room for the vectors of a model and returns its id';

create function search.drop_partition(model smallint) returns void language plpgsql set search_path = '' as $$
begin
    execute format('drop table if exists search.%I', 'chunks_' || model);
    delete from search.embedded_texts where model_id = model;
end $$;
revoke execute on function search.drop_partition from public;

-- Not at once: a search that has just read which model serves still finds its vectors. And not while somebody reads search.chunks for long (a backup does): whoever comes
-- after us would wait behind us for as long.
create function search.drop_retired_models() returns integer language plpgsql security definer set search_path = '' set lock_timeout = '2s' as $$
declare
    model smallint;
    dropped integer := 0;
begin
    perform pg_advisory_xact_lock(hashtextextended('ibhelm models', 0));
    for model in select id from search.models
                 where state = 'retired' and retired_at < now() - interval '1 minute' and to_regclass('search.chunks_' || id) is not null loop
        begin
            perform search.drop_partition(model);
            dropped := dropped + 1;
        exception when lock_not_available then
            null;  -- the next run tries again
        end;
    end loop;
    return dropped;
end $$;
comment on function search.drop_retired_models is 'Drops the vectors of models that were replaced more than a minute ago, and returns of how many';

revoke execute on function search.want_model, search.drop_retired_models from public;
grant execute on function search.want_model, search.drop_retired_models to ibhelm_pipeline;

-- A text that no document has any more goes with its vectors and with what came of it, of all models.
create or replace function search.drop_chunks() returns trigger language plpgsql security definer set search_path = '' as $$
begin
    if not exists (select from search.documents where text_key = old.text_key) then
        delete from search.chunks where model_id = any (array(select id from search.models)) and text_key = old.text_key;
        delete from search.embedded_texts where text_key = old.text_key;
    end if;
    return null;
end $$;

create table search.embedding_status (
    is_only_row boolean primary key default true check (is_only_row),
    wanted text not null,
    begun_at timestamptz not null default now(),
    problem text
);
comment on table search.embedding_status is 'What the last run of the embedding wanted, and why it could not have it';
comment on column search.embedding_status.wanted is 'IBHELM_EMBEDDING_MODEL';
comment on column search.embedding_status.problem is 'For the admin, with what to do';

-- The pace is that of the last hour, pauses included: what really came, whoever did it.
create view search.embedding_progress as
with texts as materialized (
    select text_key, min(indexed_at) as indexed_at from search.documents where text_key is not null group by text_key
), counted as (
    select m.id, m.name, m.version, m.state, m.created_at, (select count(*) from texts) as texts, missing.missing, missing.waiting_since, done.*
    from search.models m
    cross join lateral (
        select count(*) as missing, min(t.indexed_at) as waiting_since from texts t
        where not exists (select from search.embedded_texts e where e.model_id = m.id and e.text_key = t.text_key)
    ) as missing
    cross join lateral (
        select coalesce(sum(e.chunks), 0)::bigint as chunks, count(*) filter (where e.state = 'failed') as failed, max(e.finished_at) as finished_at
        from search.embedded_texts e where e.model_id = m.id
    ) as done
    where m.state <> 'retired'
), paced as (
    select c.*, (
        select count(*) / greatest(extract(epoch from now() - min(e.finished_at)), 60) * 3600 from search.embedded_texts e
        where e.model_id = c.id and e.finished_at > now() - interval '1 hour') as texts_per_hour
    from counted c
)
select id, name, version, state, created_at, texts, missing, waiting_since, chunks, failed, finished_at, round(texts_per_hour)::bigint as texts_per_hour,
       (missing / nullif(texts_per_hour, 0))::float8 as hours_left,
       to_char(texts - missing, 'FM999,999,990') || ' of ' || to_char(texts, 'FM999,999,990') || ' texts'
       || case when missing = 0 then '' else ', ' || to_char(missing, 'FM999,999,990') || ' left' || case
              when coalesce(texts_per_hour, 0) = 0 then ', none in the last hour'
              when missing / texts_per_hour >= 1 then ', about ' || to_char(round(missing / texts_per_hour), 'FM999,999,990') || ' hours at this pace'
              when 60 * missing / texts_per_hour < 1.5 then ', about a minute at this pace'
              else ', about ' || round(60 * missing / texts_per_hour) || ' minutes at this pace' end end as sentence
from paced;
comment on view search.embedding_progress is 'How far each model is that serves or is being built, and how long the rest will take';
comment on column search.embedding_progress.missing is 'Texts that nobody has looked at with this model';
comment on column search.embedding_progress.waiting_since is 'Of them: since when the oldest is as it is';

alter view ops.health rename to health_without_embeddings;

create view ops.health as
select subject, state, number, bytes, since, detail from ops.health_without_embeddings
union all
select 'vectors',
       case when s.problem is not null then 'error'
            when coalesce(bool_or(p.failed > 0 or p.waiting_since < now() - interval '1 day'), false) then 'warning' else 'ok' end,
       coalesce(max(p.missing) filter (where p.state = 'serving'), (select count(distinct text_key) from search.documents)), null, max(p.finished_at),
       concat_ws('; ', coalesce(
           string_agg(format('model %s%s: %s, %s vectors%s', p.name, case p.state when 'building' then ' is being built' else '' end, p.sentence,
                             to_char(p.chunks, 'FM999,999,990'), case when p.failed > 0 then ', ' || p.failed || ' failed' else '' end), '; ' order by p.state desc)
               filter (where p.id is not null), 'none yet'), s.problem)
from (values (1)) as always
left join search.embedding_status s on true
left join search.embedding_progress p on true
group by s.problem;
comment on view ops.health is 'How the platform is: one row per subject. Fast enough to be asked at any time';
comment on column ops.health.subject is 'What the row is about: files, whole scan, queue of a source, a process, a step, objects of a kind, alerts, database, a vendor, register, vectors';
comment on column ops.health.state is 'ok, warning or error';
comment on column ops.health.number is 'How many: live files, files seen by the scan, paths, waiting events, contents without a result, objects, alerts, live tasks, live mails, folders without a project, texts without vectors';
comment on column ops.health.since is 'Last scan, reading or computation, oldest waiting event, last sign of life, newest object, oldest trouble';
comment on column ops.health.detail is 'The rest, for people';
