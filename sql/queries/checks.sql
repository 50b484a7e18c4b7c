-- What could be wrong, asked of the tables. Each statement returns the worst rows first, at most 100, and in its first column how many there are in all.
-- A check passes when its statement returns no row.

-- name: mass_deletion_refused
-- Of the newest scan of each folder only: the next scan refuses again what is still missing.
select count(*) over (), scan, folder, missing_files, for_example
from ops.refused_folders
order by missing_files desc
limit 100;

-- name: unreadable_paths
select count(*) over (), path, kind, reason, first_seen_at as since
from ops.path_problems
where first_seen_at <= now() - %(grace)s::interval
order by kind = 'unreadable_directory' desc, first_seen_at
limit 100;

-- name: bit_rot_open
select count(*) over (), path, expected_hash as expected_sha256, found_hash as found_sha256, found_at
from ops.bit_rot
where healed_at is null
order by found_at
limit 100;

-- name: folders_not_scanned
select count(*) over (), folder, last_complete_scan_at as last_complete_scan, first_seen_at as known_since
from ops.unscanned_folders
order by last_complete_scan_at nulls first
limit 100;

-- name: contents_not_stored
-- What nobody tried yet and came after the newest scan of the whole share had looked is the live lane's, for a day.
select count(*) over (), min(f.path) as for_example, c.size_bytes, max(r.reason) as reason, max(r.attempts) as attempts, max(r.next_try_at) as next_try
from public.contents c
join public.files f on f.content_hash = c.hash and f.deleted_at is null
left join ops.step_results r on r.content_hash = c.hash and r.step = 'store' and r.state <> 'ok'
where not exists (select from ops.stored_objects o where o.content_hash = c.hash and o.kind = 'original')
  and (r.attempts is not null or c.first_seen_at <= now() - %(grace)s::interval and (
       c.first_seen_at <= now() - interval '1 day'
       or c.first_seen_at <= (select coalesce(max(s.finished_at), 'infinity') from ops.scans s
                              where s.paths is null and s.folders is null and s.state in ('complete', 'incomplete'))))
group by c.hash
order by c.size_bytes desc
limit 100;

-- name: failure_rate
-- By family of content; a handful of files makes no rate. A failed result is always the newest one of its content: a good one replaces it.
with results as (
    select r.content_hash, bool_or(r.state = 'failed') as failed, min(r.reason) filter (where r.state = 'failed') as reason
    from ops.step_results r
    where r.step = %(step)s
    group by r.content_hash
)
select count(*) over (), coalesce(c.family, 'unknown') as family, count(*) filter (where r.failed) as failed, count(*) as contents,
       round(100.0 * count(*) filter (where r.failed) / count(*), 1)::float8 as percent,
       mode() within group (order by r.reason) filter (where r.failed) as usual_reason
from results r
join public.contents c on c.hash = r.content_hash
where exists (select from public.files f where f.content_hash = c.hash and f.deleted_at is null)
group by c.family
having count(*) >= 20 and count(*) filter (where r.failed) > 0.05 * count(*)
order by failed desc
limit 100;

-- name: outdated
-- The number is that of the contents, not of the families that the rows tell of.
select sum(contents) over ()::bigint as count, family, contents, tool_version as present_version, since
from ops.outdated_contents
where step = %(step)s and since <= now() - %(grace)s::interval
order by contents desc
limit 100;

-- name: outdated_families
select family, contents from ops.outdated_contents where step = %(step)s order by contents desc;

-- name: live_queue_lag
select count(*) over (), label, coalesce(' (' || error || ')', '') as why, source, kind, events, attempts, first_event_at as since,
       floor(extract(epoch from now() - min(first_event_at) over ()) / 60)::int as minutes
from ops.late_events
order by first_event_at
limit 100;

-- name: poisoned_events
select count(*) over (), label, source, kind, attempts, error, poisoned_at as given_up_at
from ops.given_up_events
order by poisoned_at
limit 100;

-- name: silent_processes
select count(*) over (), process, kind, host, to_char(beat_at at time zone 'Europe/Berlin', 'DD.MM.YYYY HH24:MI:SS') as last_sign_of_life
from ops.silent_processes
order by beat_at
limit 100;

-- name: watcher_problem
select count(*) over (), process, kind, problem
from ops.troubled_processes
order by kind <> 'watcher', process
limit 100;

-- name: vendor_stale
-- At any moment only where no failed sync is told of already: it is the same trouble.
select count(*) over (), resource as list, to_char(synced_at at time zone 'Europe/Berlin', 'DD.MM.YYYY HH24:MI') as last_read
from ops.stale_lists
where source = %(vendor)s
  and (%(also_told)s::boolean or not exists (select from ops.open_alerts where starts_with(key, 'run:sync_' || %(vendor)s)))
order by synced_at
limit 100;

-- name: vendor_not_reconciled
select count(*) over (), resource as list, to_char(full_synced_at at time zone 'Europe/Berlin', 'DD.MM.YYYY HH24:MI') as last_full_reading
from ops.sync_cursors
where source = %(vendor)s and switched_off_at is null and (full_synced_at is null or full_synced_at < now() - interval '2 days')
  and (%(also_told)s::boolean or source not in (select source from ops.readings_under_way))
  and (%(also_told)s::boolean or not exists (select from ops.open_alerts where starts_with(key, 'run:sync_' || %(vendor)s)))
order by full_synced_at nulls first
limit 100;

-- name: vendor_deletions_refused
select count(*) over (), resource as list, refused_deletions as vanished
from ops.sync_cursors
where source = %(vendor)s and switched_off_at is null and refused_deletions > 0
order by refused_deletions desc
limit 100;

-- name: vendor_rows_not_understood
select count(*) over (), kind as list, vendor_id as id, error, read_at
from ops.raw_records
where source = %(vendor)s and error is not null
order by read_at desc
limit 100;

-- name: missive_messages_missing
-- After a sync nothing is due any more, but for what has changed in this very minute; at any moment what is due is known to be old, and no trouble yet.
select count(*) over (), coalesce(nullif(subject, ''), '(no subject)') as conversation, messages_count, stored, forgotten, last_activity_at, url, missive_id,
       sum(abs(messages_count - stored - forgotten)) over () as messages
from ops.incomplete_conversations
where due_at is null or (%(also_due)s::boolean and (attempts > 0 or due_at < clock_timestamp() - interval '1 minute'))
order by last_activity_at desc nulls last, missive_id
limit 100;

-- name: missive_conversations_not_read
select count(*) over (), coalesce(nullif(subject, ''), missive_id) as conversation, coalesce(error, 'nobody has come to it yet') as error, attempts, due_at as since,
       next_try_at as next_try, url
from ops.unread_conversations
where is_late and (error is not null or %(also_waiting)s::boolean)
order by error is null, due_at
limit 100;

-- name: attachments_not_saved
-- Given up, or tried so often that it is no passing trouble. Of what is live and may be read only.
select count(*) over (), name as attachment, subject as of_mail, reason, attempts, permanent as given_up, next_try_at as next_try
from ops.unsaved_attachments
order by permanent desc, tried_at desc
limit 100;

-- name: forgetting_unfinished
-- With the objects, which are deleted before an address counts as forgotten.
select count(*) over (), 'what is stored of an address' as left_over, noted_at as since
from ops.forgotten
where completed_at is null and noted_at < now() - interval '1 hour'
order by noted_at
limit 100;

-- name: attachments_not_found
select count(*) over (), a.name as attachment, a.inbox_path as path, f.placed_at as since
from ops.attachment_files f
join public.email_attachments a on a.id = f.attachment_id
where f.placed_at < now() - interval '1 hour'
order by f.placed_at
limit 100;

-- name: derived_contents
-- How many live contents of each folder a step has done well; the row count that the UI plots.
select f.folder, count(distinct f.content_hash)
from public.files f
where f.deleted_at is null and f.folder = any(%(folders)s)
  and exists (select from ops.step_results r where r.content_hash = f.content_hash and r.step = %(step)s and r.state = 'ok')
group by f.folder;

-- name: folders_without_live_files
select folder
from unnest(%s::text[]) as gone (folder)
where not exists (select from public.files f where f.folder = gone.folder and f.deleted_at is null);

-- name: teamwork_webhook_switched_off
-- Passes where none was ever installed. Resumed twice within two days says that our receiver cannot be reached, though all are active at this moment.
select count(*) over (), event, url, case when is_active then 'switched off twice in two days' else status end as status, looked_at
from ops.vendor_webhooks
where vendor = 'teamwork' and looked_at is not null and (not is_active or found_off_before > clock_timestamp() - interval '2 days')
order by is_active, event
limit 100;

-- name: missive_webhooks_silent
-- Missive lists no rules, and tells nobody that it switched one off. Of each kind that we made: at least five conversations had such news within a day, since
-- the rules were made, and no post of any kind named one of them since an hour before. Passes where nothing was installed, and where nothing happened.
with installed as (
    select split_part(event, '@', 1) as event, min(url) as url, max(looked_at) as made_at
    from ops.vendor_webhooks where vendor = 'missive' and webhook_id is not null group by 1
), news (event, conversation, came_at) as (
    -- Not what was imported: that is no incoming mail.
    select 'incoming_email', missive_conversation_id, max(created_at) from public.emails
    where type = 'email' and deleted_at is null and created_at > now() - interval '1 day' and delivered_at > created_at - interval '1 hour'
      and from_address not in (select email from public.missive_users where email is not null)
    group by 2
    union all
    select 'new_comment', missive_conversation_id, max(created_at) from public.email_comments
    where deleted_at is null and created_at > now() - interval '1 day'
    group by 2
), judged as (
    select i.event, i.url, count(*) as conversations, max(n.came_at) as newest, count(*) filter (where exists (
        select from ops.webhook_deliveries d
        where d.vendor = 'missive' and d.object_id = n.conversation and d.received_at > n.came_at - interval '1 hour')) as named
    from installed i join news n using (event)
    where n.came_at > i.made_at and n.came_at < now() - interval '15 minutes'
    group by i.event, i.url
)
select count(*) over (), event, url, conversations, newest
from judged
where named = 0 and conversations >= 5
order by conversations desc
limit 100;

-- name: folder_without_project
select count(*) over (), folder, files, project, project_id, round(similarity::numeric, 2)::float8 as similarity
from ops.likely_folders
order by similarity desc, folder
limit 100;

-- name: folder_mapping_without_effect
select count(*) over (), folder, project, case why when 'deleted_project' then 'the project is deleted' else 'no file stands there' end as why
from ops.idle_folder_mappings
order by folder
limit 100;

-- name: rule_without_effect
select count(*) over (), name as rule, decides, reads, pattern,
       case why when 'deleted_project' then 'its project is deleted' when 'kinds_of_files_only' then 'only files have a kind of document'
                else 'the project of a task is that of its list' end as why
from ops.idle_link_rules
order by id
limit 100;

-- name: links_not_computed
select count(*) over (), coalesce(to_char(finished_at at time zone 'Europe/Berlin', 'DD.MM.YYYY HH24:MI'), 'never') as last_time
from ops.uncomputed_links;

-- name: texts_without_vectors
select count(*) over (), name as model, missing, waiting_since, texts_per_hour, sentence
from search.embedding_progress
where state = 'serving' and waiting_since < now() - interval '1 day';

-- name: embedding_model_not_serving
-- A model that is being built says how long it takes; one that is wanted and not even begun says why in embedding_problem.
select count(*) over (), s.wanted, p.name as serving, coalesce(b.sentence, 'none of its texts is done') as sentence, b.texts_per_hour
from search.embedding_status s
join search.embedding_progress p on p.state = 'serving'
left join search.embedding_progress b on b.state = 'building'
where coalesce(b.created_at < now() - interval '1 day', s.wanted <> p.name);

-- name: embedding_problem
select count(*) over (), problem, wanted, begun_at from search.embedding_status where problem is not null;

-- name: texts_not_embedded
select count(*) over (), d.title, e.reason, e.attempts, e.finished_at as last_try
from search.embedded_texts e
join search.models m on m.id = e.model_id and m.state <> 'retired'
cross join lateral (select title from search.documents where text_key = e.text_key order by id limit 1) as d
where e.state = 'failed'
order by e.finished_at desc
limit 100;

-- name: vectors_incomplete
select count(*) over (), m.name as model, told.chunks as expected, found.chunks as found
from search.models m
cross join lateral (select coalesce(sum(e.chunks), 0)::bigint as chunks from search.embedded_texts e where e.model_id = m.id) as told
cross join lateral (select count(*) as chunks from search.chunks c where c.model_id = m.id) as found
where m.state <> 'retired' and told.chunks <> found.chunks;

-- name: documents_missing
-- What is known to fail is told by documents_failed.
select count(*) over (), i.kind, i.item_id, i.what, i.since
from ops.findable_items i
where i.since < now() - interval '1 hour'
  and not exists (select from search.documents d where d.kind = i.kind and d.item_id = i.item_id)
  and not exists (select from ops.failed_documents x where x.kind = i.kind and x.item_id = i.item_id)
order by i.since, i.kind, i.item_id
limit 100;

-- name: documents_of_deleted
select count(*) over (), d.kind, d.item_id, d.title, d.indexed_at
from search.documents d
where not exists (select from ops.findable_items i where i.kind = d.kind and i.item_id = d.item_id)
order by d.indexed_at, d.id
limit 100;

-- name: documents_overdue
select count(*) over (), coalesce(to_char(finished_at at time zone 'Europe/Berlin', 'DD.MM.YYYY HH24:MI'), 'never') as last_time
from ops.overdue_search;

-- name: documents_failed
select count(*) over (), kind, item_id, error, failed_at
from ops.failed_documents
order by failed_at, kind, item_id
limit 100;

-- name: backup_too_old
-- What is dated in the future was made by a clock that was wrong; it must not keep this quiet. A fresh installation has a day.
select count(*) over (), coalesce(to_char(newest at time zone 'Europe/Berlin', 'DD.MM.YYYY HH24:MI'), 'never') as newest
from (select max(started_at) as newest from ops.backups
      where database = 'ibhelm' and state = 'ok' and gone_at is null and started_at < now() + interval '2 hours') as b
where coalesce(newest, (select min(applied_at) from ops.migrations)) < now() - interval '26 hours';

-- name: backup_failed
select count(*) over (), database, to_char(started_at at time zone 'Europe/Berlin', 'DD.MM.YYYY HH24:MI') as started, error
from (select distinct on (database) database, state, started_at, error from ops.backups order by database, started_at desc, id desc) as newest
where state = 'failed'
order by database <> 'ibhelm', database;

-- name: restore_drill_failed
select count(*) over (), to_char(started_at at time zone 'Europe/Berlin', 'DD.MM.YYYY HH24:MI') as started, array_to_string(problems, ' ') as problems, backup_key
from (select * from ops.restore_drills where state <> 'running' order by started_at desc, id desc limit 1) as newest
where state = 'failed';

-- name: restore_drill_too_old
-- Counted from the first backup on: before it there is nothing to try.
select count(*) over (), coalesce(to_char(last_time at time zone 'Europe/Berlin', 'DD.MM.YYYY HH24:MI'), 'the first backup') as last_time
from (select max(started_at) as last_time from ops.restore_drills where state in ('ok', 'hash_only') and started_at < now() + interval '2 hours') as d
where coalesce(last_time, (select min(started_at) from ops.backups where state = 'ok')) < now() - interval '8 days';

-- name: restore_drill_without_key
select count(*) over (), to_char(started_at at time zone 'Europe/Berlin', 'DD.MM.YYYY HH24:MI') as started, backup_key
from (select * from ops.restore_drills where state <> 'running' order by started_at desc, id desc limit 1) as newest
where state = 'hash_only';

-- name: object_problems
-- What is being healed at this moment is no trouble yet.
select count(*) over (), paths, why_not as why, kind, key, found_at as since
from ops.open_object_problems
where kind = any(string_to_array(%(kinds)s, ' '))
order by object_kind, found_at
limit 100;

-- name: verification_refused
select 1 as count, refused, finished_at as since
from ops.verifications
where id = (select max(id) from ops.verifications where finished_at is not null) and refused is not null;

-- name: verification_behind
-- Three days of grace: one that was missed, and the one that makes up for it.
with late as (
    select count(*) as objects from ops.stored_objects where coalesce(verified_at, stored_at) < now() - interval '33 days'
), newest as (
    select max(finished_at) as at, (select min(stored_at) from ops.stored_objects) as since, (select count(*) from ops.stored_objects) as objects
    from ops.verifications where refused is null
), reasons (count, why) as (
    select objects, 'the last reading of the oldest is more than 33 days ago' from late where objects > 0
    union all
    select objects, coalesce('the bucket was last looked at ' || to_char(at, 'YYYY-MM-DD HH24:MI'), 'the bucket was never looked at')
    from newest where objects > 0 and coalesce(at, since) < now() - interval '2 days'
)
select count, why from reasons order by count desc;

-- name: manifests_behind
-- A fresh installation has a day, and so has one that did not know them before; what is dated in the future was written by a clock that was wrong. One that
-- neither ended nor said why for two hours was killed.
with newest as (
    select max(started_at) filter (where finished_at is not null and error is null and started_at < now() + interval '2 hours') as at,
           (select applied_at from ops.migrations where starts_with(name, '0024')) as since
    from ops.manifest_writes
), last_try as (
    select coalesce(error, case when finished_at is null and started_at < now() - interval '2 hours' then 'it was killed' end) as error
    from ops.manifest_writes order by id desc limit 1
)
select 1 as count, coalesce(to_char(n.at at time zone 'Europe/Berlin', 'DD.MM.YYYY HH24:MI'), 'never') as newest, coalesce(': ' || l.error, '') as why
from newest n left join last_try l on true
where l.error is not null or coalesce(n.at, n.since) < now() - interval '26 hours';

-- name: retention_refused
select 1 as count, refused, finished_at as since
from ops.purges
where id = (select max(id) from ops.purges where finished_at is not null) and refused is not null;

-- name: objects_not_deleted
select count(*) over (), key, noted_at as since
from ops.objects_to_delete
where noted_at < now() - interval '26 hours'
order by noted_at
limit 100;
