-- The watcher (ibhelm_pipelines/live/delivery.py).

-- name: share_was_scanned
-- Whether the whole share was ever scanned to the end. Before that, everything is still to come and nothing needs to be asked for.
select exists (select from ops.scans where folders is null and paths is null and state in ('complete', 'incomplete'))
