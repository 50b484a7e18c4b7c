-- Alerts from their beginning to their end (ibhelm_pipelines/alerts). All times come as parameters, so that simulated days can be played.

-- name: now
select now()

-- name: note_evaluation
insert into ops.evaluations as e (what, evaluated_at) values (%(what)s, %(now)s)
on conflict (what) do update set evaluated_at = greatest(e.evaluated_at, excluded.evaluated_at)

-- name: evaluated_at
select max(evaluated_at) filter (where what = 'sensor'), max(evaluated_at) from ops.evaluations where what in ('sensor', 'worker')

-- name: slow_question_due
-- One at a time, each every five minutes.
select name
from unnest(%(names)s::text[]) with ordinality as q (name, ord)
left join ops.evaluations e on e.what = q.name
where e.evaluated_at is null or e.evaluated_at <= %(now)s - interval '5 minutes'
order by e.evaluated_at nulls first, q.ord
limit 1

-- name: lock_evaluation
select pg_try_advisory_xact_lock(hashtextextended('ibhelm alerts', 0))

-- name: lock_delivery
select pg_try_advisory_lock(hashtextextended('ibhelm alerts delivery', 0))

-- name: still_there
update ops.alerts a
set seen_at = %(now)s, severity = c.severity, title = c.title, body = c.body
from unnest(%(keys)s::text[], %(severities)s::text[], %(titles)s::text[], %(bodies)s::text[]) as c (key, severity, title, body)
where a.key = c.key and a.closed_at is null

-- name: reopen
-- Gone for a moment only, and nobody was told that it is over: the same alert goes on.
update ops.alerts a
set seen_at = %(now)s, severity = c.severity, title = c.title, body = c.body, closed_at = null
from unnest(%(keys)s::text[], %(severities)s::text[], %(titles)s::text[], %(bodies)s::text[]) as c (key, severity, title, body)
where a.id = (select max(id) from ops.alerts l where l.key = c.key)
  and a.closed_at > %(now)s - %(quiet)s::interval and a.closing_sent_at is null
returning a.key

-- name: open
insert into ops.alerts (key, severity, title, body, opened_at, seen_at)
select c.key, c.severity, c.title, c.body, %(now)s, %(now)s
from unnest(%(keys)s::text[], %(severities)s::text[], %(titles)s::text[], %(bodies)s::text[]) as c (key, severity, title, body)
where not exists (select from ops.alerts a where a.key = c.key and a.closed_at is null)
returning key, severity, title, body

-- name: close
update ops.alerts
set closed_at = %(now)s
where closed_at is null and not key = any(%(keys)s::text[])
  and not exists (select from unnest(%(unasked)s::text[]) as unasked (prefix) where starts_with(key, prefix))
returning key, severity, title, body

-- name: count_open
select count(*) from ops.alerts where closed_at is null

-- name: due_for_delivery
-- New ones, those that stay (once a day), and those that are over: told when they have been over for some time, and only to whom was told of them.
select id, case when closed_at is not null then 'over' when sent_at is null then 'new' else 'still' end as what, severity, title, body, opened_at, closed_at
from ops.alerts
where case when closed_at is null then sent_at is null or (sent_at <= %(now)s - %(repeat)s::interval and seen_at > %(now)s - interval '10 minutes')
           else sent_at is not null and closing_sent_at is null and closed_at <= %(now)s - %(quiet)s::interval end
order by severity, opened_at, id

-- name: note_delivered
-- One that came back while it was told to be over is told anew.
update ops.alerts
set sent_at = case when not id = any(%(over)s::bigint[]) then %(now)s when closed_at is not null then sent_at end,
    closing_sent_at = case when id = any(%(over)s::bigint[]) and closed_at is not null then %(now)s end,
    send_error = %(error)s
where id = any(%(ids)s::bigint[])

-- name: note_failed_delivery
update ops.alerts set send_error = %(error)s where id = any(%(ids)s::bigint[])

-- name: open_run_alerts_since
-- As long as an alert about a run is open, Dagster is asked that far back.
select min(opened_at) from ops.alerts where closed_at is null and starts_with(key, %(prefix)s)

-- name: await_sensor
insert into ops.evaluations (what, evaluated_at) values ('sensor', %(now)s) on conflict (what) do nothing
