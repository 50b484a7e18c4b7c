-- What makes a database of ours beyond its tables: roles, their settings, default rights, rights to the database itself and to what Postgres lets everybody do. A dump
-- holds none of it. Said by the migrations 0001, 0015 and 0020 for a new database; here it may be said again at any time, to any database of ours: after each
-- migration and after each restore. What an admin has set otherwise for a role stays.

-- name: roles
do $$
declare
    role_name text;
begin
    foreach role_name in array array['ibhelm_owner', 'ibhelm_pipeline', 'ibhelm_nocodb', 'ibhelm_reader'] loop
        begin
            if not exists (select from pg_roles where rolname = role_name) then
                execute format('create role %I nologin', role_name);
            end if;
        exception when duplicate_object or unique_violation then
            null;  -- another database of this server is being migrated at the same moment
        end;
    end loop;
end $$

-- name: missing_roles
select name from unnest(array['ibhelm_owner', 'ibhelm_pipeline', 'ibhelm_nocodb', 'ibhelm_reader']) as name
where not exists (select from pg_roles where rolname = name)

-- name: may_grant
-- Only who owns the tables; the pipeline's role has nothing to say here.
select coalesce((select pg_has_role(current_user, nspowner, 'usage') from pg_namespace where nspname = 'ops'), false)

-- name: rights
do $$
declare
    setting record;
    statement text;
    called record;
begin
    for setting in
        select * from (values
            ('default_transaction_read_only', 'on'), ('statement_timeout', '30s'), ('lock_timeout', '2s'), ('idle_in_transaction_session_timeout', '30s'),
            ('max_parallel_workers_per_gather', '0'), ('search_path', 'public'), ('temp_file_limit', '512MB')) as wanted (name, value)
        where not exists (
            select from pg_roles r cross join lateral unnest(r.rolconfig) as known where r.rolname = 'ibhelm_reader' and starts_with(known, wanted.name || '='))
    loop
        begin
            execute format('alter role ibhelm_reader set %I = %L', setting.name, setting.value);
        exception when insufficient_privilege or internal_error then
            raise warning '%: %', setting.name, sqlerrm;
        end;
    end loop;
    foreach statement in array array[
        'alter default privileges in schema public grant select, insert, update, delete on tables to ibhelm_pipeline',
        'alter default privileges in schema ops grant select, insert, update, delete on tables to ibhelm_pipeline',
        'alter default privileges in schema public, ops grant usage, select on sequences to ibhelm_pipeline',
        'alter default privileges in schema public grant select, references on tables to ibhelm_nocodb',
        'alter default privileges in schema public grant select on tables to ibhelm_reader',
        'alter default privileges in schema search grant select, insert, update, delete, truncate on tables to ibhelm_pipeline',
        'alter default privileges in schema search grant usage, select on sequences to ibhelm_pipeline',
        format('revoke temporary on database %I from public', current_database()),
        format('grant temporary on database %I to ibhelm_pipeline, ibhelm_owner, pg_database_owner', current_database()),
        'revoke usage on language plpgsql from public',
        'grant usage on language plpgsql to ibhelm_pipeline, ibhelm_owner, pg_database_owner'
    ] loop
        begin
            execute statement;
        exception
            when invalid_schema_name then
                null;  -- a backup from before there was such a schema; the migration that makes it says this too
            when insufficient_privilege or internal_error then
                raise warning '%: %', statement, sqlerrm;
        end;
    end loop;
    if exists (select from pg_roles where rolname = 'ibhelm_reader' and rolconnlimit = -1) then
        begin
            alter role ibhelm_reader connection limit 20;
        exception when insufficient_privilege or internal_error then
            raise warning 'connection limit: %', sqlerrm;
        end;
    end if;
    -- Sleeping; locks of the pipeline's; large objects; the write-ahead log; signals and sessions of others.
    for called in
        select p.oid::regprocedure as name from pg_proc p
        where p.pronamespace = 'pg_catalog'::regnamespace and has_function_privilege('public', p.oid, 'execute')
          and p.proname ~ '^(pg_sleep|pg_(try_)?advisory_|lo_|lowrite$|loread$|pg_notify$|pg_logical_emit_message$|pg_export_snapshot$|pg_(cancel|terminate)_backend$)'
    loop
        begin
            execute format('revoke execute on function %s from public', called.name);
            execute format('grant execute on function %s to ibhelm_pipeline, ibhelm_owner, pg_database_owner', called.name);
        exception when insufficient_privilege then
            raise warning '%: %', called.name, sqlerrm;
        end;
    end loop;
end $$
