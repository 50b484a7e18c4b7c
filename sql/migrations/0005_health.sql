-- How the platform is, in one view, out of the rows that the code itself writes (lesson 43). What counts as trouble is said once, in the views below:
-- the questions of sql/queries/checks.sql, the alerts and `ibhelm status` all read them.

create table ops.evaluations (
    what text primary key,
    evaluated_at timestamptz not null
);
comment on table ops.evaluations is 'When somebody last looked for trouble';
comment on column ops.evaluations.what is 'sensor: Dagster''s sensor looked; worker: a worker did in its place; else the name of a question that is too big to be asked every time';

create view ops.late_events as
select i.id, i.source, i.kind, i.label, i.folder, i.events, i.attempts, i.error, i.first_event_at
from ops.inbox i
where i.source in ('nas', 'content') and i.poisoned_at is null
  and i.first_event_at < now() - interval '5 minutes'
  and (i.lease_until is null or i.lease_until < now());  -- what somebody works on does not wait, however long it takes
comment on view ops.late_events is 'Events that have waited for more than five minutes and nobody works on';

create view ops.given_up_events as
select i.id, i.source, i.kind, i.label, i.folder, i.events, i.attempts, i.error, i.poisoned_at
from ops.inbox i
where i.poisoned_at is not null
  -- A later scan of everything has looked at the same things; what it could not do, it says itself.
  and (i.source not in ('nas', 'content') or not exists (
      select from ops.scans s
      where s.paths is null and s.folders is null and s.state in ('complete', 'incomplete') and s.started_at > i.poisoned_at));
comment on view ops.given_up_events is 'Events whose work failed for good, and that no later scan of the whole share has made up for';

create view ops.silent_processes as
select process, kind, host, pid, started_at, beat_at
from ops.heartbeats
where stopped_at is null and beat_at < now() - interval '2 minutes';
comment on view ops.silent_processes is 'Processes that gave no sign of life for two minutes and did not end in good order';

create view ops.troubled_processes as
select process, kind, host, beat_at, state ->> 'problem' as problem
from ops.heartbeats
where stopped_at is null and beat_at >= now() - interval '2 minutes' and state ->> 'problem' is not null;
comment on view ops.troubled_processes is 'Processes that live and say that something is wrong';

create view ops.unscanned_folders as
select folder, last_complete_scan_at, first_seen_at
from ops.folders
where present and coalesce(last_complete_scan_at, first_seen_at) < now() - interval '2 days';
comment on view ops.unscanned_folders is 'Folders of the share without a complete scan in the last two days';

create view ops.open_alerts as
select key, severity, title, body, opened_at, seen_at, sent_at, send_error
from ops.alerts
where closed_at is null;
comment on view ops.open_alerts is 'What is wrong now, as last found';

-- Results of contents that no live file has are no state of anything. They are few, so they are taken away from plain counts:
-- joining every result with its file takes four times as long.
create view ops.step_counts as
with dead as materialized (
    select c.hash from public.contents c
    where not exists (select from public.files f where f.content_hash = c.hash and f.deleted_at is null)
), every as (
    select step, state, count(*) as results from ops.step_results group by step, state
), gone as (
    select r.step, r.state, count(*) as results from dead join ops.step_results r on r.content_hash = dead.hash group by r.step, r.state
), known as (
    -- Not the number of results: beside a good one of an earlier tool there may be a newer one that is not.
    select step, count(*) as contents from (select distinct content_hash, step from ops.step_results) as one group by step
), known_gone as (
    select r.step, count(distinct r.content_hash) as contents from dead join ops.step_results r on r.content_hash = dead.hash group by r.step
), live as (
    select (select count(*) from public.contents) - (select count(*) from dead) as contents
), steps (step) as (
    values ('store'), ('thumbnail'), ('text')
)
select s.step, live.contents,
       coalesce(sum(e.results - coalesce(g.results, 0)) filter (where e.state = 'ok'), 0)::bigint as ok,
       coalesce(sum(e.results - coalesce(g.results, 0)) filter (where e.state = 'empty'), 0)::bigint as empty,
       coalesce(sum(e.results - coalesce(g.results, 0)) filter (where e.state = 'unsupported'), 0)::bigint as unsupported,
       coalesce(sum(e.results - coalesce(g.results, 0)) filter (where e.state = 'failed'), 0)::bigint as failed,
       live.contents - coalesce(max(k.contents), 0) + coalesce(max(kg.contents), 0) as missing
from steps s
cross join live
left join every e on e.step = s.step
left join gone g on g.step = e.step and g.state = e.state
left join known k on k.step = s.step
left join known_gone kg on kg.step = s.step
group by s.step, live.contents;
comment on view ops.step_counts is 'What each step made of the contents of live files; a content with a good result of an earlier tool and a newer failed one counts in both';

create view ops.health (subject, state, number, bytes, since, detail) as
select 'files', 'ok', (select count(*) from public.files where deleted_at is null), null::bigint, null::timestamptz,
       (select count(*) from ops.folders where present) || ' folders'
union all
(
    select 'whole scan',
           case when (select count(*) from ops.unscanned_folders) > 0 then 'error' when s.state is distinct from 'complete' then 'warning' else 'ok' end,
           s.files_seen, null, s.finished_at,
           coalesce(s.state, 'none has ended yet') || coalesce(', ' || nullif((select count(*) from ops.unscanned_folders), 0) || ' folders not scanned for two days', '')
    from (values (1)) as always
    left join (
        select state, files_seen, finished_at from ops.scans
        where paths is null and folders is null and state in ('complete', 'incomplete')
        order by id desc limit 1
    ) as s on true
)
union all
select 'unreadable paths', case when count(*) > 0 then 'error' else 'ok' end, count(*), null, min(first_seen_at), coalesce('such as ' || min(path), '')
from ops.path_problems
union all
select 'queue ' || source,
       case when count(*) filter (where late) > 0 or count(*) filter (where given_up) > 0 then 'error' else 'ok' end,
       count(*) filter (where waiting), null, min(first_event_at) filter (where waiting),
       count(*) filter (where in_work) || ' in work, ' || count(*) filter (where late) || ' late, ' || count(*) filter (where given_up) || ' given up'
from (
    select i.source, i.first_event_at, i.poisoned_at is null as waiting, coalesce(i.lease_until >= now(), false) as in_work,
           i.id in (select id from ops.late_events) as late, i.id in (select id from ops.given_up_events) as given_up
    from ops.inbox i
    union all
    select source, null, false, false, false, false from (values ('nas'), ('content')) as always (source)
) as items
group by source
union all
select process,
       case when process in (select process from ops.silent_processes) then 'error'
            when process in (select process from ops.troubled_processes) then 'warning' else 'ok' end,
       null, null, beat_at,
       case when process in (select process from ops.silent_processes) then 'no sign of life' else coalesce(state ->> 'problem', state ->> 'mode', '') end
from ops.heartbeats
where stopped_at is null
union all
select 'step ' || step, case when failed > 0.05 * contents then 'warning' else 'ok' end, missing, null, null,
       format('%s ok, %s empty, %s unsupported, %s failed, %s missing', ok, empty, unsupported, failed, missing)
from ops.step_counts
union all
select 'objects ' || kind, 'ok', count(o.key), coalesce(sum(o.size_bytes), 0)::bigint, max(o.stored_at), ''
from (values ('original'), ('thumbnail')) as kinds (kind)
left join ops.stored_objects o using (kind)
group by kind
union all
select 'alerts', case when bool_or(severity = 'error') then 'error' when count(*) > 0 then 'warning' else 'ok' end, count(*), null, min(opened_at),
       coalesce(string_agg(title, '; ' order by opened_at), '')
from ops.open_alerts
union all
select 'database', 'ok', null, pg_database_size(current_database()), null, '';
comment on view ops.health is 'How the platform is: one row per subject. Fast enough to be asked at any time';
comment on column ops.health.subject is 'What the row is about: files, whole scan, queue of a source, a process, a step, objects of a kind, alerts, database';
comment on column ops.health.state is 'ok, warning or error';
comment on column ops.health.number is 'How many: live files, files seen by the scan, paths, waiting events, contents without a result, objects, alerts';
comment on column ops.health.since is 'Last scan, oldest waiting event, last sign of life, newest object, oldest trouble';
comment on column ops.health.detail is 'The rest, for people';
