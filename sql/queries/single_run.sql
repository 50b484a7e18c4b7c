-- One process at a time (ibhelm_pipelines/safety/single_run.py).

-- name: lock
select pg_try_advisory_lock(%(lock)s)

-- name: unlock
select pg_advisory_unlock(%(lock)s)
