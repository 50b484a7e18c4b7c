-- What `ibhelm status` shows (ibhelm_pipelines/local/status.py).

-- name: health
select subject, state, number, bytes, since, detail from ops.health
union all
(
    select 'backup',
           case when b.state = 'failed' or b.started_at < now() - interval '26 hours' then 'error' else 'ok' end,
           b.row_count, b.size_bytes, b.started_at, coalesce(b.error, case when b.encrypted then 'encrypted' when b.encrypted is null then 'none yet' else 'not encrypted' end)
    from (values (1)) as always
    left join (
        select * from ops.backups where database = 'ibhelm' and state <> 'running' and gone_at is null and started_at < now() + interval '2 hours'
        order by started_at desc, id desc limit 1
    ) as b on true
)
union all
(
    select 'restore drill',
           case d.state when 'failed' then 'error' when 'hash_only' then 'warning' else 'ok' end,
           d.row_count, null, d.started_at,
           case d.state when 'ok' then format('%s tables, the contents of %s rows and %s objects compared', d.tables, d.rows_compared, d.objects_compared)
                        when 'hash_only' then 'only the hash: no key here' when 'failed' then array_to_string(d.problems, ' ') else 'none yet' end
    from (values (1)) as always
    left join (select * from ops.restore_drills where state <> 'running' order by started_at desc, id desc limit 1) as d on true
);

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
