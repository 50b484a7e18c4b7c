-- name: serving_model
select id, name, version, dimensions from search.models where state = 'serving';

-- name: want_model
select search.want_model(%(name)s, %(version)s, %(dimensions)s);

-- name: read_models
select id, name, version, dimensions, state, created_at from search.models where state <> 'retired' order by state desc;

-- name: drop_retired_models
select search.drop_retired_models();

-- name: lock_models
select pg_advisory_xact_lock(hashtextextended('ibhelm models', 0));

-- name: is_incomplete
-- Failed ones count as done here: a text that no model can read must not keep an old model for ever. Without its index (docs/search.md) every search would read all vectors.
select exists (
    select from search.documents d
    where d.text_key is not null and not exists (select from search.embedded_texts e where e.model_id = %(model)s and e.text_key = d.text_key))
or not exists (
    select from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am a on a.oid = c.relam
    where i.indrelid = to_regclass('search.chunks_' || %(model)s) and i.indisvalid and a.amname = 'hnsw');

-- name: retire_serving
update search.models set state = 'retired', retired_at = now()
where state = 'serving' and exists (select from search.models where id = %(model)s and state = 'building');

-- name: serve_model
update search.models set state = 'serving', serving_since = now() where id = %(model)s and state = 'building';

-- name: create_worklist
create temp table if not exists embedding_worklist (position bigint primary key, text_key uuid not null);
truncate embedding_worklist;

-- name: fill_worklist
-- The newest first: what people work on now is found by its meaning soon, however long the rest takes.
insert into embedding_worklist (position, text_key)
select row_number() over (order by newest desc, text_key), text_key
from (
    select d.text_key, max(d.occurred_at) as newest
    from search.documents d
    where d.text_key is not null
      and (%(since)s::timestamptz is null or d.indexed_at >= %(since)s)
      and (%(buckets)s::text[] is null or left(d.text_key::text, 1) = any(%(buckets)s))
      and not exists (
          select from search.embedded_texts e
          where e.model_id = %(model)s and e.text_key = d.text_key
            and (e.state <> 'failed' or e.attempts >= %(attempts)s or e.finished_at > now() - interval '1 day'))
    group by d.text_key
) as missing;

-- name: take_from_worklist
select position, text_key from embedding_worklist where position > %(after)s order by position limit %(limit)s;

-- name: lock_texts
select k.text_key from unnest(%(keys)s::uuid[]) as k (text_key)
where pg_try_advisory_lock(hashtextextended('ibhelm embed ' || %(model)s::text || ' ' || k.text_key, 0));

-- name: unlock_texts
select pg_advisory_unlock(hashtextextended('ibhelm embed ' || %(model)s::text || ' ' || k.text_key, 0)) from unnest(%(keys)s::uuid[]) as k (text_key);

-- name: read_texts
select distinct on (d.text_key) d.text_key, d.title, d.body
from search.documents d
where d.text_key = any(%(keys)s)
  and not exists (
      select from search.embedded_texts e
      where e.model_id = %(model)s and e.text_key = d.text_key
        and (e.state <> 'failed' or e.attempts >= %(attempts)s or e.finished_at > now() - interval '1 day'));

-- name: lock_documents
-- While we write, nobody takes the last document of such a text away, or the trigger that drops its chunks would not see them. Whoever changes one just now is not
-- waited for, so that nobody waits in a circle; its text is looked at again by the next run.
select text_key from search.documents where text_key = any(%(keys)s) for share skip locked;

-- name: drop_chunks
delete from search.chunks where model_id = %(model)s and text_key = any(%(keys)s);

-- name: copy_chunks
copy search.chunks (model_id, text_key, ordinal, page, start_at, length, embedding) from stdin (format binary);

-- name: record_texts
insert into search.embedded_texts as e (model_id, text_key, state, chunks, reason)
select %(model)s, t.text_key, t.state, t.chunks, t.reason
from unnest(%(keys)s::uuid[], %(states)s::text[], %(chunks)s::integer[], %(reasons)s::text[]) as t (text_key, state, chunks, reason)
on conflict (model_id, text_key) do update
set state = excluded.state, chunks = excluded.chunks, reason = excluded.reason, attempts = e.attempts + 1, finished_at = now();

-- name: drop_orphans
-- Copies of one text that two transactions delete at the same moment each see the other one: nobody drops its chunks then.
with gone as (
    delete from search.embedded_texts e where not exists (select from search.documents d where d.text_key = e.text_key) returning model_id, text_key
)
delete from search.chunks c using gone where c.model_id = gone.model_id and c.text_key = gone.text_key;

-- name: count_buckets
select left(text_key::text, 1), count(*), count(*) filter (where is_left)
from (
    select d.text_key, not exists (select from search.embedded_texts e where e.model_id = %(model)s and e.text_key = d.text_key) as is_left
    from (select distinct text_key from search.documents where text_key is not null) as d
) as texts
where %(buckets)s::text[] is null or left(text_key::text, 1) = any(%(buckets)s)
group by 1;

-- name: note_begin
insert into search.embedding_status (wanted) values (%(wanted)s)
on conflict (is_only_row) do update set wanted = excluded.wanted, begun_at = now();

-- name: note_problem
update search.embedding_status set problem = %(problem)s;

-- name: progress
select id, name, version, state, texts, missing, chunks, failed, texts_per_hour, hours_left, sentence from search.embedding_progress order by state desc;
