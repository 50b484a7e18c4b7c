-- What `ibhelm doctor` asks of a server that somebody else runs (ibhelm_pipelines/local/surroundings.py).

-- name: versions
select current_setting('server_version'), current_setting('server_version_num')::int,
       (select extversion from pg_extension where extname = 'vector'), pg_size_pretty(pg_database_size(current_database()))

-- name: clock
select clock_timestamp()

-- name: folders
-- Folders that hold live files; those above them are few.
select count(distinct folder) from files where deleted_at is null

-- name: rights_of_role
-- What the role of this session may beyond its work.
select r.rolname, array_remove(array[
    case when r.rolsuper then 'is a superuser' end,
    case when r.rolcreaterole then 'may make roles' end,
    case when r.rolcreatedb then 'may make databases' end,
    case when r.rolreplication then 'may copy the whole server' end,
    case when r.rolbypassrls then 'may pass rules of rows' end], null)
from pg_roles r where r.rolname = current_user
