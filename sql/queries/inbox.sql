-- The workers' side of the inbox (ibhelm_pipelines/live/inbox.py). Times are the server's, so that clocks of workers do not matter.
-- Who changes several rows locks them in the order in which db.live.enqueue writes them: two that meet the same rows wait instead of deadlocking.

-- name: lock_nas_claims
-- Claims of NAS work are made one after the other: who looks which folders are free must see what the last one took.
select pg_advisory_xact_lock(hashtextextended('ibhelm inbox nas', 0))

-- name: choose_nas
-- The oldest thing that may be done now, and how much waits in its folder. While the share is being scanned nothing else begins; a scan of the share
-- begins when nobody is at work, or when it has waited a minute: the locks of the scans themselves are fair.
with leased as (
    select kind, coalesce(folder, %(loose)s) as folder from ops.inbox where source = 'nas' and lease_until >= now()
), due as (
    select id, kind, coalesce(folder, %(loose)s) as folder, weight, first_event_at, count(*) over (partition by coalesce(folder, %(loose)s)) as waiting
    from ops.inbox
    where source = 'nas' and poisoned_at is null and due_at <= now() and (lease_until is null or lease_until < now())
)
select kind, folder, waiting
from due
where not exists (select from leased where kind = 'share')
  and case when kind = 'share' then not exists (select from leased) or first_event_at < now() - interval '1 minute'
           else folder not in (select folder from leased) end
  and (%(max_weight)s::bigint is null or (kind in ('path', 'directory') and weight <= %(max_weight)s and waiting <= %(storm)s))
order by first_event_at, id
limit 1

-- name: call_for_folder
-- A storm of paths becomes one scan of their folder, unless that has failed already.
insert into ops.inbox (source, kind, key, label, folder) values ('nas', 'folder', convert_to(%(folder)s, 'UTF8'), %(folder)s, %(folder)s)
on conflict (source, kind, sha256(key)) do nothing

-- name: folder_is_due
select exists (
    select from ops.inbox
    where source = 'nas' and kind = 'folder' and folder = %(folder)s and poisoned_at is null and due_at <= now() and (lease_until is null or lease_until < now())
)

-- name: take_paths
with chosen as (
    select id from ops.inbox
    where source = 'nas' and kind in ('path', 'directory') and coalesce(folder, %(loose)s) = %(folder)s
      and poisoned_at is null and due_at <= now() and (lease_until is null or lease_until < now())
      and (%(max_weight)s::bigint is null or weight <= %(max_weight)s)
    order by first_event_at, id limit %(limit)s for update skip locked
)
update ops.inbox i
set lease_owner = %(owner)s, lease_until = now() + %(lease)s, lease_events = events, attempts = attempts + (lease_until is not null)::integer
from chosen where i.id = chosen.id
returning i.id, i.kind, i.key, i.label, i.folder, i.weight

-- name: take_scan
-- The item that asks for the scan, and all that waits below it, due or given up: the same scan does it. Not what stands above the project folders and has
-- none: a scan of the loose files does not enter the folders below that.
with chosen as (
    select id from ops.inbox
    where source = 'nas' and (lease_until is null or lease_until < now())
      and case when %(folder)s::text is null then true else kind in ('path', 'directory', 'folder') and folder = %(folder)s end
    for update skip locked
)
update ops.inbox i
set lease_owner = %(owner)s, lease_until = now() + %(lease)s, lease_events = events, attempts = attempts + (lease_until is not null)::integer,
    poisoned_at = null
from chosen where i.id = chosen.id
returning i.id, i.kind, i.key, i.label, i.folder, i.weight

-- name: take_contents
-- The smallest first; what has waited too long comes before that, for the lane that takes everything. A folder is taken alone.
with chosen as (
    select id, kind, weight, case when first_event_at < now() - interval '2 minutes' and %(max_weight)s::bigint is null then first_event_at end as late
    from ops.inbox
    where source = 'content' and poisoned_at is null and due_at <= now() and (lease_until is null or lease_until < now())
      and (%(max_weight)s::bigint is null or (kind = 'hash' and weight <= %(max_weight)s))
    order by late, kind = 'folder', weight, id
    limit %(limit)s for update skip locked
), placed as (
    select id, row_number() over place as place, sum(weight) over place as bytes, bool_or(kind = 'folder') over place as has_folder
    from chosen
    window place as (order by late, kind = 'folder', weight, id)
)
update ops.inbox i
set lease_owner = %(owner)s, lease_until = now() + %(lease)s, lease_events = events, attempts = attempts + (lease_until is not null)::integer
from placed where i.id = placed.id and (place = 1 or (not has_folder and bytes <= %(bytes)s))
returning i.id, i.kind, i.key, i.label, i.folder, i.weight

-- name: lock_thing_claims
-- Claims of one vendor's things are made one after the other, as those of the NAS.
select pg_advisory_xact_lock(hashtextextended('ibhelm inbox ' || %(source)s, 0))

-- name: take_things
-- The oldest first, by one worker at a time: a vendor allows few requests at once. None before the directory was read once, for nobody knows what stays out;
-- and none that may be named again in a moment, for the rules of a vendor fire together.
with chosen as (
    select id from ops.inbox
    where source = %(source)s and (kind = %(only)s or %(only)s::text is null) and (kind <> %(never)s or %(never)s::text is null)
      and poisoned_at is null and due_at <= now() and (lease_until is null or lease_until < now())
      and (last_event_at <= now() - %(quiet)s or first_event_at <= now() - %(hold)s)
      and source in (select source from ops.readable_vendors)
      and not exists (
          select from ops.inbox l
          where l.source = %(source)s and (l.kind = %(only)s or %(only)s::text is null) and (l.kind <> %(never)s or %(never)s::text is null)
            and l.lease_until >= now())
    order by first_event_at, id limit %(limit)s for update skip locked
)
update ops.inbox i
set lease_owner = %(owner)s, lease_until = now() + %(lease)s, lease_events = events, attempts = attempts + (lease_until is not null)::integer
from chosen where i.id = chosen.id
returning i.id, i.kind, i.key, i.label, i.folder, i.weight

-- name: until_due
-- Seconds until the next item of this source can be taken; nothing waits when empty.
select extract(epoch from min(greatest(due_at, lease_until)) - now())::float from ops.inbox where source = %(source)s and poisoned_at is null

-- name: renew
with mine as (
    select id from ops.inbox where lease_owner = %(owner)s and id = any(%(ids)s) order by source collate "C", kind collate "C", key for update
)
update ops.inbox i set lease_until = now() + %(lease)s from mine where i.id = mine.id

-- name: done
-- What changed again while it was being worked on is done again.
with mine as materialized (
    select id, events > lease_events as again from ops.inbox
    where lease_owner = %(owner)s and id = any(%(ids)s) order by source collate "C", kind collate "C", key for update
), over as (
    delete from ops.inbox i using mine where i.id = mine.id and not mine.again
)
update ops.inbox i
set lease_owner = null, lease_until = null, lease_events = null, first_event_at = now(), due_at = now(), attempts = 0, error = null
from mine where i.id = mine.id and mine.again

-- name: release
with mine as (
    select id from ops.inbox where lease_owner = %(owner)s and (%(ids)s::bigint[] is null or id = any(%(ids)s))
    order by source collate "C", kind collate "C", key for update
)
update ops.inbox i set lease_owner = null, lease_until = null, lease_events = null from mine where i.id = mine.id

-- name: defer
-- The world was not ready: no attempt of the item.
with mine as (
    select id from ops.inbox where lease_owner = %(owner)s and id = any(%(ids)s) order by source collate "C", kind collate "C", key for update
)
update ops.inbox i
set lease_owner = null, lease_until = null, lease_events = null, due_at = now() + %(pause)s, error = %(error)s
from mine where i.id = mine.id

-- name: fail
-- Tried again after 5 s, 20 s, 80 s, 5 min; the fifth time is the last. An event that came meanwhile begins from new.
with mine as (
    select id, events > lease_events as again,
           events <= lease_events and (%(permanent)s or attempts + 1 >= %(max_attempts)s) as hopeless
    from ops.inbox where lease_owner = %(owner)s and id = any(%(ids)s) order by source collate "C", kind collate "C", key for update
)
update ops.inbox i
set lease_owner = null, lease_until = null, lease_events = null, error = %(error)s,
    attempts = case when mine.again then 0 else attempts + 1 end,
    due_at = now() + case when mine.again then interval '0' else least(interval '5 seconds' * 4 ^ attempts, interval '15 minutes') end,
    poisoned_at = case when mine.hopeless then now() end
from mine where i.id = mine.id
returning mine.hopeless

-- name: give_up_deadly
-- What every worker dies of must not kill them for ever.
with deadly as (
    select id from ops.inbox
    where lease_until < now() and attempts >= %(deaths)s and poisoned_at is null
    for update skip locked
)
update ops.inbox i
set lease_owner = null, lease_until = null, lease_events = null, poisoned_at = now(),
    error = format('%%s workers died while they worked on it. See their logs, and memory above all; a new event tries again.', attempts)
from deadly where i.id = deadly.id

-- name: enqueue_later
-- Asked for by ourselves, so what was given up stays given up.
insert into ops.inbox as i (source, kind, key, label, folder, due_at) values ('nas', 'folder', convert_to(%(folder)s, 'UTF8'), %(folder)s, %(folder)s, now() + %(pause)s)
on conflict (source, kind, sha256(key)) do update
set events = i.events + 1, last_event_at = now(), due_at = least(i.due_at, excluded.due_at)
where i.poisoned_at is null

-- name: left
-- What waits, whether due or not and whoever has it.
select source, count(*) from ops.inbox where source = any(%(sources)s) and poisoned_at is null group by source

-- name: neglected
-- What nobody took for a minute after it was due. What failed before is being tried by somebody, or by the last drain run: it may wait longer, so that
-- a NAS that is away for a weekend is not a run a minute.
select count(*) from ops.inbox
where source = any(%(sources)s) and poisoned_at is null and (lease_until is null or lease_until < now())
  and (source in ('nas', 'content') or source in (select source from ops.readable_vendors))
  and first_event_at < now() - interval '1 minute'
  and due_at < now() - case when error is null then interval '1 minute' else interval '10 minutes' end
