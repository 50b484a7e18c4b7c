-- What a search finds (ibhelm_pipelines/search/finding.py): up to three lists (words, parts of names, meaning), each ranked by itself, joined by their ranks (RRF).
-- Words and conditions are put into dynamic SQL as quoted literals, so that each search is planned for its own words and its own conditions.

-- Titles apart: of a word that is everywhere, those documents come first that are called by it.
alter table search.documents add column title_words tsvector generated always as (ts_filter(words, '{a}')) stored;
create index documents_title_words on search.documents using gin (title_words) with (fastupdate = off);
comment on column search.documents.title_words is 'What of words is in the title';

-- Conditions on documents as SQL. Keys: kinds, extensions, languages (text), project_ids, company_ids, cost_groups, location_ids, person_ids, type_ids (numbers),
-- folders (parts of names, folded), periods (ranges of timestamps), since and until (timestamps, until is not included); each with `not_` before it for what must not be.
create function search.condition(filters jsonb, newest bigint) returns text language plpgsql stable set search_path = '' as $$
declare
    condition text := case when newest is null then 'true' else format('d.id <= %s', newest) end;
    wanted record;
    asked text;
begin
    for wanted in select key, starts_with(key, 'not_') as is_excluded, regexp_replace(key, '^not_', '') as name, value
                  from jsonb_each(filters) loop
        asked := case wanted.name
            when 'kinds' then format('d.kind = any(%L::text[])', search.texts(wanted.value))
            when 'extensions' then format('d.extension = any(%L::text[])', search.texts(wanted.value))
            when 'languages' then format('d.language = any(%L::text[])', search.texts(wanted.value))
            when 'type_ids' then format('d.document_type_id = any(%L::bigint[])', search.texts(wanted.value))
            when 'project_ids' then format('d.project_ids && %L::bigint[]', search.texts(wanted.value))
            when 'company_ids' then format('d.company_ids && %L::bigint[]', search.texts(wanted.value))
            when 'cost_groups' then format('d.cost_groups && %L::integer[]', search.texts(wanted.value))
            when 'location_ids' then format('d.location_ids && %L::bigint[]', search.texts(wanted.value))
            when 'person_ids' then format('d.person_ids && %L::bigint[]', search.texts(wanted.value))
            when 'folders' then (select '(' || string_agg(format('d.names like %L', part), ' or ') || ')' from unnest(search.parts(wanted.value)) as part)
            when 'periods' then format('d.occurred_at <@ any(%L::tstzrange[])', search.texts(wanted.value))
            when 'since' then format('d.occurred_at >= %L::timestamptz', wanted.value #>> '{}')
            when 'until' then format('d.occurred_at < %L::timestamptz', wanted.value #>> '{}')
        end;
        if asked is null then
            raise exception 'There is no condition `%`.', wanted.key;
        end if;
        condition := condition || case when wanted.is_excluded then format(' and (%s) is not true', asked) else ' and ' || asked end;
    end loop;
    return condition;
end $$;

create function search.texts(list jsonb) returns text[] language sql immutable set search_path = '' as $$
    select coalesce(array_agg(value), '{}') from jsonb_array_elements_text(list) as value
$$;

-- Patterns for LIKE that find these parts, whatever signs they hold.
create function search.parts(list jsonb) returns text[] language sql immutable set search_path = '' as $$
    select coalesce(array_agg('%' || regexp_replace(value, '([\\%_])', '\\\1', 'g') || '%'), '{}') from jsonb_array_elements_text(list) as value
$$;

-- The newest documents that match a query, as SQL. First by the index of words, then what else is asked, then the newest of them (`offset 0`, and no sequential scan where
-- this is used: Postgres takes words for more frequent than they are, and long tsvectors for quick to compare; it would rather read all documents of a year). The index knows
-- which words a document has and not where they stand: where it matters (phrases), the newest of those that have the words are looked at, `looked_at` of them at most, or
-- a phrase of two frequent words would read half of all documents.
create function search.newest_matching(query tsquery, excluded tsquery, condition text, most integer, looked_at integer) returns text language plpgsql immutable
    set search_path = public as $$
declare
    phrase constant text := '<(-|\d+)>';
    wanted constant tsquery := case when excluded is null then query else query && !!excluded end;
    has_words tsquery := regexp_replace(query::text, phrase, '&', 'g')::tsquery;
begin
    if excluded is not null and excluded::text !~ phrase then
        has_words := has_words && !!excluded;
    end if;
    if wanted::text !~ phrase then
        looked_at := most;
    end if;
    return format($sql$
        select c.id
        from (
            select d.id, d.words from (select * from search.documents d where d.words @@ %L::tsquery offset 0) as d
            where %s order by d.occurred_at desc, d.id desc limit %s
        ) as c where %s limit %s
    $sql$, has_words, condition, looked_at, case when wanted::text !~ phrase then 'true' else format('c.words @@ %L::tsquery', wanted) end, most);
end $$;

-- Whether fewer than `most` documents meet a condition; counts no further.
create function search.are_few(condition text, most bigint) returns boolean language plpgsql stable set search_path = public as $$
declare
    are_few boolean;
begin
    execute format('select count(*) < %2$s from (select from search.documents d where %1$s limit %2$s) as f', condition, most) into are_few;
    return are_few;
end $$;

-- How well documents match: how much each term says (`weights`), in how important a place it stands, how close together they are; and which part of all of it they have.
create function search.rated(ids bigint[], step tsquery, terms tsquery[], weights real[]) returns table (document_id bigint, score real, coverage real)
    language sql stable set search_path = public as $$
    select c.id, r.score, coalesce(r.coverage, 1)::real
    from (select d.id, d.words || ''::tsvector as words from search.documents d where d.id = any(ids) offset 0) as c  -- read once, not for each term
    cross join lateral (
        select (sum(weight * ts_rank('{0.05, 0.2, 0.4, 1.0}', c.words, term)) / nullif(sum(weight), 0)
               + 0.3 * ts_rank_cd('{0.05, 0.2, 0.4, 1.0}', c.words, step, 32))::real as score,
               sum(weight) filter (where c.words @@ term) / nullif(sum(weight), 0) as coverage
        from unnest(terms, weights) as t (term, weight)
    ) as r
$$;

-- Documents by their words. `steps` are queries that ask for less and less; the next one is asked only while there are fewer than `enough` documents. Whoever meets a
-- stricter one stands before all others. Of each the newest are rated. Where few documents meet the condition at all, they are read once and matched with every step:
-- looking up words that half of all documents have, step by step, would take longer.
create function search.by_words(steps tsquery[], excluded tsquery, terms tsquery[], weights real[], condition text, is_filtered boolean, enough integer)
    returns table (document_id bigint, score real, coverage real) language plpgsql stable set search_path = public set work_mem = '64MB'
    set enable_seqscan = off as $$
#variable_conflict use_column
declare
    are_few constant boolean := is_filtered and search.are_few(condition, 2000);
    step tsquery;
    level integer := cardinality(steps);
    found bigint[] := '{}';
    more bigint[];
    matching jsonb;
begin
    if are_few then
        execute format($sql$
            select jsonb_object_agg(level, ids) from (
                select level, jsonb_agg(id) as ids
                from (select d.id, d.words || ''::tsvector as words from search.documents d where %s offset 0) as d
                cross join lateral (select min(s.level) as level from unnest(%L::tsquery[]) with ordinality as s (step, level) where d.words @@ s.step) as l
                where level is not null and %s group by level) as g
        $sql$, condition, steps, case when excluded is null then 'true' else format('not d.words @@ %L::tsquery', excluded) end) into matching;
    end if;
    foreach step in array steps loop
        if are_few then
            more := array(select jsonb_array_elements_text(matching -> (cardinality(steps) - level + 1)::text)::bigint);
        else
            execute format('select array_agg(id) from ((select d.id from (select * from search.documents d where d.title_words @@ %L::tsquery offset 0) as d
                                                         where %s order by d.occurred_at desc, d.id desc limit 500) union (%s)) as f',
                           step, condition, search.newest_matching(step, excluded, condition, 1000, 2000)) into more;
            more := array(select unnest(more) except select unnest(found));
        end if;
        return query select r.document_id, (level * 100 + r.score)::real, r.coverage from search.rated(more, step, terms, weights) as r;
        found := found || more;
        level := level - 1;
        exit when cardinality(found) >= enough;
    end loop;
end $$;

-- Documents by parts of their names: every part must be in it; ranked by how well the names match what was typed.
create function search.by_names(parts text[], typed text, condition text)
    returns table (document_id bigint, score real) language plpgsql stable set search_path = public as $$
#variable_conflict use_column
declare
    -- One by one: no index helps `like all (...)`.
    all_parts constant text := (select string_agg(format('d.names like %L', part), ' and ') from unnest(search.parts(to_jsonb(parts))) as part);
begin
    return query execute format($sql$
        select c.id, word_similarity(%2$L, c.names) + similarity(%2$L, lower(c.title)) as score
        from (select d.id, d.names, d.title from search.documents d where %1$s and %3$s order by d.occurred_at desc, d.id desc limit 500) as c
    $sql$, all_parts, typed, condition);
end $$;

-- Documents by the meaning of their parts: the best chunk of each. Below about `exact_below` chunks that meet the condition every one is compared; above it the index
-- is asked, which then goes on until enough of them meet it. Documents are counted, for they are quick to count, and taken for as long as they are on average.
create function search.by_vectors(vector halfvec, model smallint, condition text, is_filtered boolean, most integer, exact_below integer)
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
            select c.text_key, c.ordinal, c.embedding::halfvec(%1$s) <=> %2$L::halfvec(%1$s) as distance
            from (select distinct d.text_key from search.documents d where d.text_key is not null and %3$s offset 0) as w
            join search.chunks c on c.text_key = w.text_key and c.model_id = %4$s
            order by distance limit %5$s
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

-- All that is found, best first. A list that is null is not asked: steps, parts, vector. Ranks are joined as 1 / (rank_constant + rank), not scores: those of words and
-- of vectors cannot be compared. The constant is small (60 is usual), for else a document that stands far down in two lists comes before the first of one; and who
-- has but a part of the words counts for the square of that part, for else what has one word of a question pushes out what means the answer. Measured:
-- docs/search-quality.md.
create function search.hits(
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
            from search.by_words(steps, excluded, terms, weights, condition, filters <> '{}', enough) as f where steps is not null
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
comment on function search.hits is 'What a search finds, best first: by words, by parts of names, by meaning, joined by their ranks';

-- Which documents meet a query and the conditions: up to a limit, for how many there are and for facets. Without a query those that meet the conditions.
create function search.matches(query tsquery, excluded tsquery, filters jsonb, newest bigint, most integer) returns bigint[] language plpgsql stable
    set search_path = public set work_mem = '64MB' set enable_seqscan = off as $$
declare
    condition text := search.condition(filters, newest);
    found bigint[];
begin
    if query is null then
        condition := condition || case when excluded is null then '' else format(' and not d.words @@ %L::tsquery', excluded) end;
        execute format('select array_agg(id) from (select d.id from search.documents d where %s limit %s) as f', condition, most) into found;
    else
        execute format('select array_agg(id) from (%s) as f', search.newest_matching(query, excluded, condition, most, 2 * most)) into found;
    end if;
    return coalesce(found, '{}');
end $$;

-- Texts that mean most nearly the same as a document's beginning.
create function search.nearest_to(document_id bigint, model smallint, most integer) returns table (text_key uuid, distance double precision, ordinal integer)
    language plpgsql stable set search_path = public as $$
#variable_conflict use_column
declare
    own uuid;
    vector halfvec;
begin
    select d.text_key, c.embedding into own, vector
    from search.documents d join search.chunks c on c.text_key = d.text_key and c.model_id = nearest_to.model
    where d.id = nearest_to.document_id order by c.ordinal limit 1;
    if vector is null then
        return;
    end if;
    perform set_config('hnsw.ef_search', '100', true), set_config('hnsw.iterative_scan', 'relaxed_order', true);
    return query execute format($sql$
        select distinct on (n.text_key) n.text_key, n.distance, n.ordinal from (
            select c.text_key, c.ordinal, c.embedding::halfvec(%1$s) <=> %2$L::halfvec(%1$s) as distance
            from search.chunks c where c.model_id = %3$s and c.text_key <> %4$L
            order by c.embedding::halfvec(%1$s) <=> %2$L::halfvec(%1$s) limit %5$s
        ) as n order by n.text_key, n.distance
    $sql$, vector_dims(vector), vector, model, own, most);
end $$;
