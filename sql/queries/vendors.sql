-- What is the same for all vendors: storing what they say (vendors/store.py), and how many requests they still take (vendors/budget.py).

-- name: lock_writing
-- One writer at a time, for milliseconds: two that store a child and its parent at once would each miss the other when they link them.
select pg_advisory_xact_lock(hashtextextended('ibhelm ' || %(source)s || ' write', 0))

-- name: newer_than
-- Which of these were read again, later than the reading that is to be stored: that one is stale, and is left out.
select vendor_id from ops.raw_records where source = %(source)s and kind = %(kind)s and vendor_id = any(%(ids)s) and read_at > %(read_at)s

-- name: keep_raw
insert into ops.raw_records as r (source, kind, vendor_id, body, read_at, error)
select %(source)s, %(kind)s, raw ->> 'id', raw -> 'body', %(read_at)s, raw ->> 'error'
from jsonb_array_elements(%(raw)s::jsonb) as raw
order by raw ->> 'id'
on conflict (source, kind, vendor_id) do update
set body = excluded.body, read_at = excluded.read_at, error = excluded.error, gone_at = null
where (r.body, r.error) is distinct from (excluded.body, excluded.error) or r.gone_at is not null

-- name: keep_gone
-- Also of what was never stored: a page that was read before must not bring it to life.
insert into ops.raw_records as r (source, kind, vendor_id, read_at, gone_at)
select %(source)s, %(kind)s, id, %(read_at)s, now() from unnest(%(ids)s::text[]) as id order by id
on conflict (source, kind, vendor_id) do update set read_at = excluded.read_at, gone_at = coalesce(r.gone_at, now())

-- name: take
-- One request is reserved, now or at the turn that comes back; nothing comes back where that would be too far away. All is reckoned behind the row's lock and
-- by this server's clock. A clock that was set back costs nothing but the tokens of the time that came twice. Who leaves a reserve to others waits until the
-- bucket holds it: what others take meanwhile makes the next one wait, so that no more go out than tokens came.
insert into ops.request_budgets as b (vendor, tokens, refilled_at)
values (%(vendor)s, %(burst)s - 1, clock_timestamp())
on conflict (vendor) do update set (tokens, refilled_at) = (
    select
        least(%(burst)s, b.tokens + %(per_second)s * greatest(0, extract(epoch from t.now - b.refilled_at))) - 1,
        greatest(t.now, b.paused_until)
    from (select clock_timestamp() as now) as t
)
where least(b.refilled_at, greatest(clock_timestamp(), b.paused_until)) + make_interval(secs => (1 + %(reserve)s - b.tokens) / %(per_second)s)
    <= coalesce(%(deadline)s::timestamptz, clock_timestamp() + %(patience)s)
returning clock_timestamp(), b.refilled_at + make_interval(secs => greatest(0, %(reserve)s - b.tokens) / %(per_second)s), b.paused_until

-- name: look
select clock_timestamp(), (select paused_until from ops.request_budgets where vendor = %(vendor)s)

-- name: pause
-- The bucket is empty when the pause ends, and fills from then on: whoever waited takes anew, one after the other.
insert into ops.request_budgets as b (vendor, tokens, refilled_at, paused_until)
select %(vendor)s, 0, t.until, t.until from (select clock_timestamp() + %(pause)s as until) as t
on conflict (vendor) do update
set tokens = 0, refilled_at = excluded.refilled_at, paused_until = excluded.paused_until
where b.paused_until is null or b.paused_until < excluded.paused_until
