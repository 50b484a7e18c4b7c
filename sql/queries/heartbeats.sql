-- Signs of life of the long-lived processes (ibhelm_pipelines/db/heartbeat.py).

-- name: beat
-- A process that comes again under an old name (pid 1 of a restarted container) is a new one.
insert into ops.heartbeats as h (process, kind, host, pid, started_at, state, stopped_at)
values (%(process)s, %(kind)s, %(host)s, %(pid)s, %(started_at)s, %(state)s, case when %(stopped)s then now() end)
on conflict (process) do update
set started_at = excluded.started_at, beat_at = now(), state = excluded.state, stopped_at = excluded.stopped_at

-- name: others_here
-- The one that died last comes first: it is the one that a new process replaces.
select process, pid, started_at, stopped_at is not null, beat_at < now() - interval '1 day'
from ops.heartbeats where kind = %(kind)s and host = %(host)s and process <> %(process)s
order by beat_at desc

-- name: forget
delete from ops.heartbeats where process = any(%(processes)s)
