-- name: columns
select c.relname as table_name, a.attname as column_name,
       a.attgenerated = '' and a.attidentity = ''
       and (has_column_privilege(%(role)s, c.oid, a.attnum, 'update') or has_column_privilege(%(role)s, c.oid, a.attnum, 'insert')) as is_writable,
       coalesce(k.choices, '{}') as choices
from pg_class c
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
left join lateral (
    select array(select m[1] from regexp_matches(pg_get_constraintdef(k.oid), '''([^'']+)''::text', 'g') as m) as choices
    from pg_constraint k
    where k.conrelid = c.oid and k.contype = 'c' and k.conkey = array[a.attnum] and pg_get_constraintdef(k.oid) like '%%= ANY (ARRAY[%%'
    limit 1
) as k on true
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'v', 'p')
order by c.relname, a.attnum;

-- name: made
select thing, value from ops.nocodb_made where base_id = %(base)s;

-- name: note_made
insert into ops.nocodb_made (base_id, thing, value) values (%(base)s, %(thing)s, %(value)s)
on conflict (base_id, thing) do update set value = excluded.value, made_at = now();
