-- What the role that reads for assistants and scripts may do beyond reading public (ibhelm_pipelines/db/reader.py, sql/migrations/0020_reader.sql).

-- name: may_beyond
select what, is_grave from (
    values
        ('is a superuser, or may make databases or roles', true,
         (select rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls from pg_roles where rolname = current_user)),
        ('has the rights of other roles', true, exists (select from pg_auth_members where member = current_user::regrole)),
        ('sees how the platform runs (schema ops)', true,
         coalesce(has_schema_privilege(to_regnamespace('ops')::oid, 'usage'), false)),
        ('sees what the search keeps (schema search)', true,
         coalesce(has_schema_privilege(to_regnamespace('search')::oid, 'usage'), false)),
        ('may make tables', true, has_schema_privilege('public', 'create') or has_database_privilege(current_database(), 'create')),
        ('may write', true, exists (
            select from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v')
               and (has_table_privilege(oid, 'insert, update, delete, truncate, trigger') or has_any_column_privilege(oid, 'insert, update')))),
        ('may make temporary tables', false, has_database_privilege(current_database(), 'temporary')),
        ('may run blocks of code', false, has_language_privilege('plpgsql', 'usage')),
        ('may sleep', false, has_function_privilege('pg_sleep(double precision)', 'execute')),
        ('may take the locks of the pipeline', false, has_function_privilege('pg_advisory_lock(bigint)', 'execute')),
        ('may make large objects', false, has_function_privilege('lo_create(oid)', 'execute')),
        ('may fill the write-ahead log', false,
         coalesce((select bool_or(has_function_privilege(oid, 'execute')) from pg_proc where proname = 'pg_logical_emit_message'), false)),
        ('has no limit of time', false, current_setting('statement_timeout') = '0'),
        ('has no limit of space for temporary files', false, current_setting('temp_file_limit') = '-1'),
        ('begins transactions that write', false, current_setting('default_transaction_read_only') = 'off')
) as possible (what, is_grave, is_so)
where is_so
order by is_grave desc, what
