-- How many requests a vendor still takes from us (ibhelm_pipelines/vendors/budget.py).

-- name: take
-- One request is reserved, now or at the turn that comes back; nothing comes back where that would be too far away. All is reckoned behind the row's lock and
-- by this server's clock. A clock that was set back costs nothing but the tokens of the time that came twice.
insert into ops.request_budgets as b (vendor, tokens, refilled_at)
values (%(vendor)s, %(burst)s - 1, clock_timestamp())
on conflict (vendor) do update set (tokens, refilled_at) = (
    select
        least(%(burst)s, b.tokens + %(per_second)s * greatest(0, extract(epoch from t.now - b.refilled_at))) - 1,
        greatest(t.now, b.paused_until)
    from (select clock_timestamp() as now) as t
)
where least(b.refilled_at, greatest(clock_timestamp(), b.paused_until)) + make_interval(secs => (1 - b.tokens) / %(per_second)s)
    <= coalesce(%(deadline)s::timestamptz, clock_timestamp() + %(patience)s)
returning clock_timestamp(), b.refilled_at + make_interval(secs => greatest(0, -b.tokens) / %(per_second)s), b.paused_until

-- name: look
select clock_timestamp(), (select paused_until from ops.request_budgets where vendor = %(vendor)s)

-- name: pause
-- The bucket is empty when the pause ends, and fills from then on: whoever waited takes anew, one after the other.
insert into ops.request_budgets as b (vendor, tokens, refilled_at, paused_until)
select %(vendor)s, 0, t.until, t.until from (select clock_timestamp() + %(pause)s as until) as t
on conflict (vendor) do update
set tokens = 0, refilled_at = excluded.refilled_at, paused_until = excluded.paused_until
where b.paused_until is null or b.paused_until < excluded.paused_until
