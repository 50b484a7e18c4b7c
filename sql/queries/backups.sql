-- Backups of the databases and the trials of restoring them (ibhelm_pipelines/safety).

-- name: has_database
select exists (select from pg_database where datname = %(name)s)

-- name: is_ours
select to_regclass('ops.migrations') is not null

-- name: set_up
select min(applied_at) from ops.migrations

-- name: database_bytes
select pg_database_size(current_database())

-- name: own_relations
select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'S', 'f') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
order by 1

-- name: begin_backup
insert into ops.backups (database, key, started_at, encrypted) values (%(database)s, %(key)s, %(started_at)s, %(encrypted)s)

-- name: end_backup
update ops.backups
set state = 'ok', finished_at = %(finished_at)s, size_bytes = %(size_bytes)s, sha256 = %(sha256)s, tables = %(tables)s, row_count = %(row_count)s, error = null
where key = %(key)s

-- name: fail_backup
update ops.backups set state = 'failed', finished_at = %(now)s, error = %(error)s where key = %(key)s

-- name: interrupted_backups
select key from ops.backups where state = 'running'

-- name: tried_keys
-- Also those of backups that failed or are gone.
select key from ops.backups

-- name: known_keys
select key from ops.backups where state = 'ok' and gone_at is null

-- name: adopt_backup
-- A backup that the bucket has and this table does not know: it was restored from an older one, or was emptied.
insert into ops.backups (database, key, state, started_at, finished_at, size_bytes, sha256, encrypted, tables, row_count)
values (%(database)s, %(key)s, 'ok', %(started_at)s, %(finished_at)s, %(size_bytes)s, %(sha256)s, %(encrypted)s, %(tables)s, %(row_count)s)
on conflict (key) do update
set state = 'ok', finished_at = excluded.finished_at, size_bytes = excluded.size_bytes, sha256 = excluded.sha256, tables = excluded.tables,
    row_count = excluded.row_count, error = null, gone_at = null

-- name: note_gone
update ops.backups set gone_at = %(now)s where key = any(%(keys)s::text[]) and gone_at is null

-- name: useless_dumps
select key from ops.backups where key = any(%(keys)s::text[]) and (state = 'failed' or gone_at is not null)

-- name: newest_state
select state from ops.backups where database = %(database)s order by started_at desc, id desc limit 1

-- name: newest_drills
-- What the trials said of each backup, the last word counting.
select distinct on (backup_key) backup_key, state from ops.restore_drills
where backup_key is not null and state <> 'running' order by backup_key, started_at desc, id desc

-- name: tables
-- The tables that hold rows, but for those of extensions and of a session; how many rows they have, roughly, and what identifies one.
select n.nspname, c.relname,
       greatest(c.reltuples, 0)::bigint as rows_estimated,
       coalesce((select array_agg(a.attname order by k.place)
                 from pg_index i cross join lateral unnest(i.indkey::smallint[]) with ordinality as k (attnum, place)
                 join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum
                 where i.indrelid = c.oid and i.indisprimary), '{}')::text[] as key_columns
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and c.relpersistence = 'p' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
order by n.nspname, c.relname

-- name: grants
-- How many rights each role has to relations: a restored database must say the same. The owner's are left out, who may be another one there.
select coalesce(g.rolname, 'public'), count(*)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
cross join lateral aclexplode(c.relacl) as a left join pg_roles g on g.oid = a.grantee
where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and a.grantee <> c.relowner
group by 1 order by 1

-- name: migrations
select name from ops.migrations order by name

-- name: newest_rows
-- The newest of what comes all day long.
select 'public.files', max(last_seen_at) from public.files
union all select 'public.file_versions', max(valid_from) from public.file_versions
union all select 'public.emails', max(delivered_at) from public.emails
union all select 'public.tasks', max(updated_at) from public.tasks
union all select 'ops.scans', max(started_at) from ops.scans
union all select 'ops.migrations', max(applied_at) from ops.migrations

-- name: owned_sequences
-- Sequences of identity columns, and the columns that they fill.
select sn.nspname, s.relname, tn.nspname, t.relname, a.attname
from pg_class s join pg_namespace sn on sn.oid = s.relnamespace
join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = s.oid and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i')
join pg_class t on t.oid = d.refobjid join pg_namespace tn on tn.oid = t.relnamespace
join pg_attribute a on a.attrelid = t.oid and a.attnum = d.refobjsubid
where s.relkind = 'S' and sn.nspname !~ '^pg_'
order by 1, 2

-- name: begin_drill
insert into ops.restore_drills (started_at) values (%(now)s) returning id

-- name: end_drill
update ops.restore_drills
set state = %(state)s, finished_at = %(finished_at)s, backup_key = %(backup_key)s, backup_taken_at = %(backup_taken_at)s, newest_row_at = %(newest_row_at)s,
    tables = %(tables)s, row_count = %(row_count)s, rows_compared = %(rows_compared)s, objects_compared = %(objects_compared)s,
    restore_seconds = %(restore_seconds)s, problems = %(problems)s::text[]
where id = %(id)s

-- name: fail_interrupted_drills
update ops.restore_drills set state = 'failed', finished_at = %(now)s, problems = array['It was interrupted.'] where state = 'running'

-- name: scratch_databases
select datname from pg_database where starts_with(datname, %(prefix)s)

-- name: random_objects
select key, size_bytes from ops.stored_objects where size_bytes <= %(most_bytes)s and key like 'originals/%%' order by md5(key || %(seed)s) limit %(limit)s

-- name: still_stored
select key from ops.stored_objects where key = any(%(keys)s::text[])

-- name: sessions
select coalesce(nullif(application_name, ''), usename) from pg_stat_activity where datname = %(name)s and pid <> pg_backend_pid() and backend_type = 'client backend'
