-- What `ibhelm status` shows (ibhelm_pipelines/local/status.py).

-- name: health
select subject, state, number, bytes, since, detail from ops.health;

-- name: failures
-- A failed result is always the newest one of its content: a good one replaces it.
select r.step, r.reason, count(*) as contents
from ops.step_results r
where r.state = 'failed' and exists (select from public.files f where f.content_hash = r.content_hash and f.deleted_at is null)
group by r.step, r.reason
order by contents desc, r.step, r.reason
limit 10;

-- name: other_alerts
-- What the tables themselves say is asked afresh; the rest is as it was last found.
select severity, title, body, opened_at from ops.open_alerts where not starts_with(key, %(prefix)s) order by severity, opened_at;

-- name: sending_problems
select distinct send_error from ops.open_alerts where send_error is not null;
