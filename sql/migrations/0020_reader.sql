-- The role ibhelm_reader, as which assistants (`ibhelm mcp`) and people's scripts ask: what Postgres lets everybody do by default, and a reader must not. It may be
-- run again at any time, for instance by a superuser where the owner was not allowed all of it, or after a restore into another database: neither the settings of a
-- role nor the rights to a database itself are part of a dump. `ibhelm doctor` looks (sql/queries/reader.sql) and says when it must be.
--
-- What stays possible by Postgres' nature, for whoever has the password and not through `ibhelm mcp`: other limits of time for one's own session, LISTEN and NOTIFY.

do $$
declare
    statement text;
    called record;
begin
    foreach statement in array array[
        'alter role ibhelm_reader connection limit 20',
        'alter role ibhelm_reader set default_transaction_read_only = on',
        'alter role ibhelm_reader set statement_timeout = ''30s''',
        'alter role ibhelm_reader set lock_timeout = ''2s''',
        'alter role ibhelm_reader set idle_in_transaction_session_timeout = ''30s''',
        'alter role ibhelm_reader set max_parallel_workers_per_gather = 0',
        'alter role ibhelm_reader set search_path = public',
        'alter role ibhelm_reader set temp_file_limit = ''512MB''',
        -- Temporary tables fill the disk as any others, and are a place for functions of one's own.
        format('revoke temporary on database %I from public', current_database()),
        format('grant temporary on database %I to ibhelm_pipeline, ibhelm_owner, pg_database_owner', current_database()),
        -- A block of code may catch its own limit of time and go on.
        'revoke usage on language plpgsql from public',
        'grant usage on language plpgsql to ibhelm_pipeline, ibhelm_owner, pg_database_owner'
    ] loop
        begin
            execute statement;
        exception
            when insufficient_privilege then
                raise warning '%: %', statement, sqlerrm;
            when internal_error then
                raise warning '%: %', statement, sqlerrm;  -- another database of this server is being migrated at the same moment, and does the same
        end;
    end loop;
    -- Sleeping; locks of the pipeline's; large objects, which are rows; the write-ahead log; signals and sessions of others. Only what everybody may: lo_import and
    -- lo_export read and write files of the server, and stay with the superuser.
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
end $$;
