-- What is deleted of our own tables, daily (ibhelm_pipelines/db/cleanup.py). Facts about files are never among it.

-- name: old_live_scans
-- Of whole scans there are a hundred a day, of live ones any number. What something still refers to stays: what cannot be read, what rots,
-- deletions that somebody may confirm.
delete from ops.scans s
where s.paths is not null and s.state <> 'running' and s.started_at < %(now)s - interval '14 days'
  and not exists (select from ops.folders f where f.last_scan_id = s.id)
  and not exists (select from ops.path_problems p where p.scan_id = s.id)
  and not exists (select from ops.bit_rot b where b.scan_id = s.id)
  and not exists (select from ops.refused_deletions r where r.scan_id = s.id)

-- name: old_alerts
delete from ops.alerts where closed_at < %(now)s - interval '1 year'

-- name: made_up_for
-- Events whose work failed for good and that a scan of everything has made up for since.
delete from ops.inbox i
where i.poisoned_at < %(now)s - interval '14 days' and i.source in ('nas', 'content')
  and i.id not in (select id from ops.given_up_events)

-- name: old_accesses
delete from ops.access_log where at < %(now)s - make_interval(days => %(access_log_days)s)
