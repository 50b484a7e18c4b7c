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

-- name: beats_here
-- Whether a process of this kind and host was beaten in the last minute: four beats.
select count(*) > 0 from ops.heartbeats
where kind = %(kind)s and host = %(host)s and stopped_at is null and beat_at > now() - interval '1 minute'

-- name: daemons
-- Asked of Dagster's own database (times are UTC without a zone there): its daemons beat every 30 seconds.
select count(*) = 3 from daemon_heartbeats
where daemon_type in ('SENSOR', 'SCHEDULER', 'QUEUED_RUN_COORDINATOR') and timestamp > (now() at time zone 'UTC') - interval '3 minutes'
