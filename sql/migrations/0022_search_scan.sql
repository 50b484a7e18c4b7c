-- Words, conditions and months in one index, so that one scan of it finds what has all of them. Before, Postgres read all documents with a word and then looked who meets
-- the conditions: 860 ms for a word of 60,000 documents within a project of 8,000, now 12 ms (benchmarks/search.py, 300,000 documents).

-- The month of a moment, counted from year 0, as a list, for that is what the index can look up beside words.
create function search.months(at timestamptz) returns integer[] language sql immutable parallel safe as $$
    select array[(extract(year from at at time zone 'UTC') * 12 + extract(month from at at time zone 'UTC'))::integer]
$$;

drop index search.documents_words, search.documents_facets, search.documents_title_words;

-- What is counted and filtered by stays in the row: Postgres had put lists of one number into the TOAST table, and 3,000 documents took 120 ms to be counted by project.
alter table search.documents
    alter column title set storage main, alter column project_ids set storage main, alter column company_ids set storage main, alter column cost_groups set storage main,
    alter column location_ids set storage main, alter column person_ids set storage main;
update search.documents
set title = title || '', project_ids = project_ids || '{}', company_ids = company_ids || '{}', cost_groups = cost_groups || '{}', location_ids = location_ids || '{}',
    person_ids = person_ids || '{}';

create index documents_matching on search.documents
    using gin (words, title_words, project_ids, company_ids, cost_groups, location_ids, person_ids, search.months(occurred_at)) with (fastupdate = off);

drop function search.by_words(tsquery[], tsquery, tsquery[], real[], text, boolean, integer);
drop function search.newest_matching(tsquery, tsquery, text, integer, integer);

-- One condition as SQL.
create function search.asked(name text, value jsonb) returns text language plpgsql stable set search_path = '' as $$
begin
    return case name
        when 'kinds' then format('d.kind = any(%L::text[])', search.texts(value))
        when 'extensions' then format('d.extension = any(%L::text[])', search.texts(value))
        when 'languages' then format('d.language = any(%L::text[])', search.texts(value))
        when 'type_ids' then format('d.document_type_id = any(%L::bigint[])', search.texts(value))
        when 'project_ids' then format('d.project_ids && %L::bigint[]', search.texts(value))
        when 'company_ids' then format('d.company_ids && %L::bigint[]', search.texts(value))
        when 'cost_groups' then format('d.cost_groups && %L::integer[]', search.texts(value))
        when 'location_ids' then format('d.location_ids && %L::bigint[]', search.texts(value))
        when 'person_ids' then format('d.person_ids && %L::bigint[]', search.texts(value))
        when 'folders' then (select '(' || string_agg(format('d.names like %L', part), ' or ') || ')' from unnest(search.parts(value)) as part)
        when 'periods' then format('d.occurred_at <@ any(%L::tstzrange[])', search.texts(value))
        when 'since' then format('d.occurred_at >= %L::timestamptz', value #>> '{}')
        when 'until' then format('d.occurred_at < %L::timestamptz', value #>> '{}')
    end;
end $$;

-- All conditions on documents as SQL. Keys: kinds, extensions, languages (text), project_ids, company_ids, cost_groups, location_ids, person_ids, type_ids (numbers),
-- folders (parts of names, folded), periods (ranges of timestamps), since and until (timestamps, until is not included); each with `not_` before it for what must not be.
create or replace function search.condition(filters jsonb, newest bigint) returns text language plpgsql stable set search_path = '' as $$
declare
    condition text := case when newest is null then 'true' else format('d.id <= %s', newest) end;
    wanted record;
begin
    for wanted in select key, starts_with(key, 'not_') as is_excluded, search.asked(regexp_replace(key, '^not_', ''), value) as asked from jsonb_each(filters) loop
        if wanted.asked is null then
            raise exception 'There is no condition `%`.', wanted.key;
        end if;
        condition := condition || case when wanted.is_excluded then format(' and (%s) is not true', wanted.asked) else ' and ' || wanted.asked end;
    end loop;
    return condition;
end $$;

-- Those of the conditions that the index of words knows, too.
create function search.indexed_condition(filters jsonb) returns text language sql stable set search_path = '' as $$
    select coalesce(string_agg(search.asked(key, value), ' and '), 'true') from jsonb_each(filters)
    where key in ('project_ids', 'company_ids', 'cost_groups', 'location_ids', 'person_ids')
$$;

-- The months that hold the newest documents, about so many of them, as SQL; null where these are not the newest few.
create function search.newest_months(filters jsonb, most integer) returns text language plpgsql stable set search_path = public as $$
declare
    newest timestamptz := least((select max(occurred_at) from search.documents), (filters ->> 'until')::timestamptz,
                                (select max(upper(value::tstzrange)) from jsonb_array_elements_text(filters -> 'periods') as value));
    oldest timestamptz;
    months integer[];
begin
    select occurred_at into oldest from search.documents where occurred_at <= newest order by occurred_at desc offset most limit 1;
    months := array(select generate_series((search.months(oldest))[1], (search.months(newest))[1]));
    return case when cardinality(months) between 1 and 48 then format('search.months(d.occurred_at) && %L::integer[]', months) end;
end $$;

-- The newest documents that match a query. A word that half of all documents have is looked for in the newest months first, then in more, then everywhere. `column_name` is
-- words or title_words. The inner select with `offset 0` and no sequential scan where this is used: Postgres takes words for more frequent than they are, and long tsvectors
-- for quick to compare; it would rather read all documents of a year. The index knows which words a document has and not where they stand: where it matters (phrases), the
-- newest of those that have the words are looked at, `looked_at` of them at most, or a phrase of two frequent words would read half of all documents.
create function search.newest_matching(column_name text, query tsquery, excluded tsquery, filters jsonb, condition text, most integer, looked_at integer)
    returns bigint[] language plpgsql stable set search_path = public set work_mem = '64MB' set enable_seqscan = off as $$
declare
    phrase constant text := '<(-|\d+)>';
    wanted constant tsquery := case when excluded is null then query else query && !!excluded end;
    has_phrase constant boolean := wanted::text ~ phrase;
    has_words tsquery := regexp_replace(query::text, phrase, '&', 'g')::tsquery;
    most_read constant integer := case when has_phrase then looked_at else most end;
    found bigint[];
    have_words integer;
    months text;
    looked_through integer;
begin
    if excluded is not null and excluded::text !~ phrase then
        has_words := has_words && !!excluded;
    end if;
    foreach looked_through in array array[4 * most_read, 32 * most_read, null] loop
        months := case when looked_through is null then 'true' else search.newest_months(filters, looked_through) end;
        continue when months is null;
        execute format($sql$
            with c as materialized (
                select d.id, d.%1$I as column_words
                from (select * from search.documents d where d.%1$I @@ %2$L::tsquery and %3$s and %4$s offset 0) as d
                where %5$s order by d.occurred_at desc, d.id desc limit %6$s
            )
            select array(select c.id from c where %7$s limit %8$s), (select count(*) from c)
        $sql$, column_name, has_words, months, search.indexed_condition(filters), condition, most_read,
               case when has_phrase then format('c.column_words @@ %L::tsquery', wanted) else 'true' end, most) into found, have_words;
        exit when have_words >= most_read;
    end loop;
    return found;
end $$;

-- Documents by their words. `steps` are queries that ask for less and less; the next one is asked only while there are fewer than `enough` documents. Whoever meets a
-- stricter one stands before all others. Of each the newest are rated, and those that have it in their title.
create function search.by_words(steps tsquery[], excluded tsquery, terms tsquery[], weights real[], filters jsonb, condition text, enough integer)
    returns table (document_id bigint, score real, coverage real) language plpgsql stable set search_path = public as $$
#variable_conflict use_column
declare
    step tsquery;
    level integer := cardinality(steps);
    found bigint[] := '{}';
    more bigint[];
begin
    foreach step in array steps loop
        more := array(
            select unnest(search.newest_matching('title_words', step, excluded, filters, condition, 500, 500))
            union select unnest(search.newest_matching('words', step, excluded, filters, condition, 1000, 1000))
            except select unnest(found)
        );
        return query select r.document_id, (level * 100 + r.score)::real, r.coverage from search.rated(more, step, terms, weights) as r;
        found := found || more;
        level := level - 1;
        exit when cardinality(found) >= enough;
    end loop;
end $$;

create or replace function search.hits(
    steps tsquery[], excluded tsquery, terms tsquery[], weights real[], parts text[], typed text, vector halfvec, model smallint, filters jsonb, newest bigint,
    words_weight real default 1, names_weight real default 0.5, vectors_weight real default 0.5, rank_constant real default 6, enough integer default 60, exact_below integer default 20000,
    most_chunks integer default 200)
    returns table (document_id bigint, score double precision, words_rank bigint, names_rank bigint, vectors_rank bigint, ordinal integer)
    language plpgsql stable set search_path = public as $$
#variable_conflict use_column
declare
    condition constant text := search.condition(filters, newest);
begin
    if steps is null and parts is null and vector is null then
        return query execute format('select d.id, 0::float8, null::bigint, null::bigint, null::bigint, null::integer from search.documents d where %s and %s
                                     order by d.occurred_at desc, d.id desc limit 1000',
                                    condition, case when excluded is null then 'true' else format('not d.words @@ %L::tsquery', excluded) end);
        return;
    end if;
    return query
        with w as (
            select f.document_id, row_number() over (order by f.score desc, f.document_id desc) as place, f.coverage
            from search.by_words(steps, excluded, terms, weights, filters, condition, enough) as f where steps is not null
        ), n as (
            select f.document_id, row_number() over (order by f.score desc, f.document_id desc) as place
            from search.by_names(parts, typed, condition) as f where parts is not null
        ), v as (
            select f.document_id, rank() over (order by f.distance) as place, f.ordinal
            from search.by_vectors(vector, model, condition, filters <> '{}', most_chunks, exact_below) as f where vector is not null
        )
        select document_id,
               coalesce(words_weight * w.coverage ^ 2 / (rank_constant + w.place), 0) + coalesce(names_weight / (rank_constant + n.place), 0)
                   + coalesce(vectors_weight / (rank_constant + v.place), 0),
               w.place, n.place, v.place, v.ordinal
        from w full join n using (document_id) full join v using (document_id)
        where excluded is null or not exists (select from search.documents d where d.id = document_id and d.words @@ excluded)
        order by 2 desc, 1 desc
        limit 1000;
end $$;

create or replace function search.matches(query tsquery, excluded tsquery, filters jsonb, newest bigint, most integer) returns bigint[] language plpgsql stable
    set search_path = public as $$
declare
    condition text := search.condition(filters, newest);
    found bigint[];
begin
    if query is not null then
        return search.newest_matching('words', query, excluded, filters, condition, most, 2 * most);
    end if;
    condition := condition || case when excluded is null then '' else format(' and not d.words @@ %L::tsquery', excluded) end;
    execute format('select array_agg(id) from (select d.id from search.documents d where %s limit %s) as f', condition, most) into found;
    return coalesce(found, '{}');
end $$;

-- As in 0018, but few chunks are compared before they are sorted: Postgres would else walk the whole index of vectors until it met them.
create or replace function search.by_vectors(vector halfvec, model smallint, condition text, is_filtered boolean, most integer, exact_below integer)
    returns table (document_id bigint, distance double precision, ordinal integer) language plpgsql stable set search_path = public as $$
#variable_conflict use_column
declare
    dimensions constant integer := vector_dims(vector);
    -- `offset 0`: else Postgres makes a table of all documents that meet the condition, for each search.
    meets constant text := 'exists (select from search.documents d where d.text_key = c.text_key and %s offset 0)';
    few bigint;
    is_small boolean := false;
    nearest text;
begin
    if is_filtered then
        few := exact_below / greatest((select sum(greatest(c.reltuples, 1)) / max(greatest(d.reltuples, 1)) from pg_class c, pg_class d
                                       where c.oid = ('search.chunks_' || model)::regclass and d.oid = 'search.documents'::regclass), 1);
        is_small := search.are_few(condition, greatest(few, 1));
    end if;
    perform set_config('hnsw.ef_search', '100', true), set_config('hnsw.iterative_scan', 'relaxed_order', true),
            set_config('hnsw.max_scan_tuples', '40000', true), set_config('hnsw.scan_mem_multiplier', '4', true);
    if is_small then
        nearest := format($sql$
            select * from (
                select c.text_key, c.ordinal, c.embedding::halfvec(%1$s) <=> %2$L::halfvec(%1$s) as distance
                from (select distinct d.text_key from search.documents d where d.text_key is not null and %3$s offset 0) as w
                join search.chunks c on c.text_key = w.text_key and c.model_id = %4$s
                offset 0
            ) as compared order by distance limit %5$s
        $sql$, dimensions, vector, condition, model, most);
    else
        nearest := format($sql$
            select c.text_key, c.ordinal, c.embedding::halfvec(%1$s) <=> %2$L::halfvec(%1$s) as distance
            from search.chunks c
            where c.model_id = %4$s and %3$s
            order by c.embedding::halfvec(%1$s) <=> %2$L::halfvec(%1$s) limit %5$s
        $sql$, dimensions, vector, case when is_filtered then format(meets, condition) else 'true' end, model, most);
    end if;
    return query execute format($sql$
        select d.id, n.distance, n.ordinal
        from (select distinct on (text_key) * from (%1$s) as all_chunks order by text_key, distance, ordinal) as n
        join search.documents d on d.text_key = n.text_key and %2$s
    $sql$, nearest, condition);
end $$;
