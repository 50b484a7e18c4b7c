-- Extensions and roles. Roles belong to the whole server, so they may exist already; `ibhelm up` or the admin gives them their passwords.

create extension if not exists vector;
create extension if not exists pg_trgm;
create extension if not exists unaccent;

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
end $$;

create schema if not exists ops;
comment on schema ops is 'How the platform runs: scans, results of steps, stored objects. Not for the office';

revoke create on schema public from public;
grant usage on schema public, ops to ibhelm_pipeline;
grant usage on schema public to ibhelm_nocodb, ibhelm_reader;

-- What later migrations create is covered without being named again.
alter default privileges in schema public grant select, insert, update, delete on tables to ibhelm_pipeline;
alter default privileges in schema ops grant select, insert, update, delete on tables to ibhelm_pipeline;
alter default privileges in schema public, ops grant usage, select on sequences to ibhelm_pipeline;
-- REFERENCES beside SELECT: information_schema hides primary keys from a role that may only select, and NocoDB then finds no keys.
alter default privileges in schema public grant select, references on tables to ibhelm_nocodb;
alter default privileges in schema public grant select on tables to ibhelm_reader;
grant select on ops.migrations to ibhelm_pipeline;
