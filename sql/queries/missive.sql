-- Missive (ibhelm_pipelines/vendors/missive/): what is to be read, and how far it was.

-- name: lock_reading
-- For the session: one sweep at a time. It dies with its process.
select pg_advisory_lock(hashtextextended('ibhelm missive read', 0))

-- name: cursor
select watermark, full_synced_at, scope from ops.sync_cursors where source = 'missive' and resource = %(resource)s

-- name: move_watermark
-- Never back.
insert into ops.sync_cursors as c (source, resource, watermark) values ('missive', %(resource)s, %(watermark)s)
on conflict (source, resource) do update set watermark = greatest(c.watermark, excluded.watermark)

-- name: finish
-- A reading of this list ended well. Of everything, where `full_at` says when that began.
insert into ops.sync_cursors as c (source, resource, synced_at, full_synced_at, scope, steady_since)
values ('missive', %(resource)s, now(), %(full_at)s, %(scope)s, now())
on conflict (source, resource) do update
set synced_at = now(), full_synced_at = coalesce(%(full_at)s, c.full_synced_at), scope = coalesce(%(scope)s, c.scope), switched_off_at = null,
    steady_since = case when c.switched_off_at is null and c.synced_at > now() - interval '10 minutes' then c.steady_since else now() end

-- name: note_refused
update ops.sync_cursors set refused_deletions = %(refused)s where source = 'missive' and resource = %(resource)s

-- name: switch_off
update ops.sync_cursors set switched_off_at = now() where source = 'missive' and switched_off_at is null

-- name: full_is_due
-- An hour of grace: the nightly reading takes its time.
select count(*) = 0 or bool_or(full_synced_at is null or full_synced_at < now() - interval '25 hours') from ops.sync_cursors
where source = 'missive' and resource <> 'contents'

-- name: gaps
-- Newest first; what the sweep that begins now will read itself is not there yet.
select opened_at, full_sweep, floor_at, ceiling_at, scope from ops.sweep_gaps where source = 'missive' and resource = %(resource)s order by opened_at desc

-- name: keep_gap
insert into ops.sweep_gaps as g (source, resource, opened_at, full_sweep, floor_at, ceiling_at, scope)
values ('missive', %(resource)s, %(opened_at)s, %(full)s, %(floor)s, %(ceiling)s, %(scope)s)
on conflict (source, resource, opened_at) do update set ceiling_at = excluded.ceiling_at

-- name: close_gap
delete from ops.sweep_gaps where source = 'missive' and resource = %(resource)s and opened_at = %(opened_at)s

-- name: drop_gaps
delete from ops.sweep_gaps where source = 'missive' and resource = %(resource)s

-- name: note_listed
-- What differs from what was listed before has to be read again; so has what is told to be.
insert into ops.conversation_reads as r (missive_id, last_activity_at, messages_count, listed_at, due_at)
select l.missive_id, l.last_activity_at, l.messages_count, %(read_at)s, clock_timestamp()
from jsonb_to_recordset(%(listed)s) as l (missive_id text, last_activity_at timestamptz, messages_count integer)
order by l.missive_id
on conflict (missive_id) do update
set last_activity_at = excluded.last_activity_at, messages_count = excluded.messages_count, listed_at = excluded.listed_at,
    due_at = case when %(force)s or (r.last_activity_at, r.messages_count) is distinct from (excluded.last_activity_at, excluded.messages_count)
                  then clock_timestamp() else r.due_at end,
    next_try_at = case when %(force)s or (r.last_activity_at, r.messages_count) is distinct from (excluded.last_activity_at, excluded.messages_count)
                       then null else r.next_try_at end
where r.listed_at <= excluded.listed_at

-- name: forget_listed
delete from ops.conversation_reads where missive_id = any(%(ids)s)

-- name: due
select missive_id from ops.conversation_reads
where due_at is not null and (next_try_at is null or next_try_at <= now()) and (%(ids)s::text[] is null or missive_id = any(%(ids)s))
order by last_activity_at desc nulls last, missive_id limit %(limit)s

-- name: make_due
update ops.conversation_reads set due_at = clock_timestamp() where missive_id = any(%(ids)s)

-- name: incomplete_due
-- Something was missed, or Missive miscounts: reading them again tells.
update ops.conversation_reads r set due_at = clock_timestamp()
from public.conversations c
where c.missive_id = r.missive_id and r.due_at is null and r.read_at < %(since)s and r.listed_at >= %(since)s and c.deleted_at is null
  and c.messages_count <> (select count(*) from public.emails e where e.conversation_id = c.id and e.deleted_at is null)
                          + (select count(*) from ops.forgotten_messages f where f.missive_conversation_id = c.missive_id)

-- name: month_due
update ops.conversation_reads set due_at = clock_timestamp() where last_activity_at >= %(start)s and last_activity_at < %(end)s

-- name: in_month
select missive_id from ops.conversation_reads where last_activity_at >= %(start)s and last_activity_at < %(end)s

-- name: full_since
-- When the last sweep of everything began whose every list came to its end; empty where one never did.
select case when count(*) = %(lists)s then min(full_synced_at) end from ops.sync_cursors where source = 'missive' and resource like 'conversations %%' and full_synced_at is not null

-- name: count_due
select count(*) from ops.conversation_reads where due_at is not null

-- name: mark_read
-- What was found to be old while it was read stays due.
update ops.conversation_reads
set read_at = %(started)s, due_at = case when due_at > %(started)s then due_at end, attempts = 0, error = null, next_try_at = null
where missive_id = %(id)s

-- name: note_failed
update ops.conversation_reads
set attempts = attempts + 1, error = %(error)s, next_try_at = now() + least(interval '6 hours', interval '1 minute' * power(2, least(attempts, 9)))
where missive_id = %(id)s

-- name: was_read_since
select exists (select from ops.conversation_reads where missive_id = %(id)s and read_at > %(started)s)

-- name: try_again
-- Who reads everything does not wait for what failed a moment ago.
update ops.conversation_reads set next_try_at = null where next_try_at is not null

-- name: recent_due
-- Nothing says when a label of a comment's task changes: what is young is read again with every sweep of everything.
update ops.conversation_reads set due_at = clock_timestamp()
where due_at is null and read_at < %(since)s and listed_at >= %(since)s and last_activity_at > (select max(last_activity_at) from ops.conversation_reads) - %(young)s::interval

-- name: unlisted
-- Live here, and in no list of a whole sweep.
select c.missive_id from public.conversations c left join ops.conversation_reads r on r.missive_id = c.missive_id
where c.deleted_at is null and (r.listed_at is null or r.listed_at < %(since)s)
order by c.missive_id

-- name: known_emails
select e.missive_id, e.missive_conversation_id, e.updated_at, e.deleted_at is not null, r.error is not null or r.body is null
from public.emails e left join ops.raw_records r on r.source = 'missive' and r.kind = 'emails' and r.vendor_id = e.missive_id
where e.missive_id = any(%(ids)s) or (e.missive_conversation_id = any(%(conversations)s) and e.deleted_at is null)

-- name: live_comments
select missive_id from public.email_comments where missive_conversation_id = %(id)s and deleted_at is null

-- name: live_emails
select missive_id from public.emails where missive_conversation_id = %(id)s and deleted_at is null

-- name: live_attachments
select missive_id from public.email_attachments
where deleted_at is null and (missive_email_id = any(%(emails)s) or missive_comment_id = any(%(comments)s))

-- name: has_conversation
select exists (select from public.conversations where missive_id = %(id)s and deleted_at is null)

-- name: stored_conversations
select missive_id from public.conversations where missive_id = any(%(ids)s)

-- name: month_of
select to_char(date_trunc('month', last_activity_at at time zone 'utc'), 'YYYY-MM-01') from public.conversations where missive_id = %(id)s

-- name: rows_by_month
-- Live conversations, messages, comments and attachments, by month of the conversation's last activity.
with counted as (
    select coalesce(to_char(date_trunc('month', c.last_activity_at at time zone 'utc'), 'YYYY-MM-01'), '') as month, 1 as conversations, coalesce(e.n, 0) as emails,
           coalesce(k.n, 0) as comments, coalesce(a.n, 0) as attachments
    from public.conversations c
    left join (select conversation_id, count(*) as n from public.emails where deleted_at is null group by 1) e on e.conversation_id = c.id
    left join (select conversation_id, count(*) as n from public.email_comments where deleted_at is null group by 1) k on k.conversation_id = c.id
    left join (select conversation_id, count(*) as n from ops.attachments_in_reach group by 1) a on a.conversation_id = c.id
    where c.deleted_at is null
)
select month, sum(conversations)::int, sum(emails)::int, sum(comments)::int, sum(attachments)::int from counted group by month order by month

-- name: months_to_save
-- Where there is something to do now: attachments to be fetched, or to be planned where nothing is fetched, or to be linked. Newest first.
select to_char(date_trunc('month', r.last_activity_at at time zone 'utc'), 'YYYY-MM-01') as month
from ops.attachments_in_reach r join public.email_attachments a using (id)
left join ops.attachment_attempts t on t.attachment_id = a.id
left join ops.attachment_files p on p.attachment_id = a.id
where a.content_hash is null and a.missive_id is not null
  and (%(everything)s or p.attachment_id is not null
       or (a.skip_reason is null and not (%(planned)s and a.planned_path is not null) and (t.attachment_id is null or t.next_try_at <= now())))
group by 1 order by 1 desc nulls last

-- name: move_contents
-- Mails and comments of a conversation that was merged stand in the other one; its reading tells which.
with mails as (
    update public.emails set missive_conversation_id = %(into)s, conversation_id = (select id from public.conversations where missive_id = %(into)s)
    where missive_conversation_id = %(id)s
), comments as (
    update public.email_comments set missive_conversation_id = %(into)s, conversation_id = (select id from public.conversations where missive_id = %(into)s)
    where missive_conversation_id = %(id)s
)
update public.conversations
set missive_merged_into_id = %(into)s, merged_into_id = (select id from public.conversations where missive_id = %(into)s)
where missive_id = %(id)s

-- name: is_directory_read
-- Contacts are its last list.
select exists (select from ops.sync_cursors where source = 'missive' and resource = 'contacts' and full_synced_at is not null)

-- name: teams
select missive_id, name from public.missive_teams where deleted_at is null

-- name: users
select missive_id, coalesce(email, name) from public.missive_users where deleted_at is null

-- name: labels
select missive_id, full_name, name, missive_parent_id from public.labels where deleted_at is null

-- What was stored before the settings left it out (purge_...): children first; bridges go with their rows.
-- name: purge_attachments
delete from public.email_attachments a
where a.missive_email_id in (select e.missive_id from public.emails e where e.missive_conversation_id = any(%(ids)s))
   or a.missive_comment_id in (select c.missive_id from public.email_comments c where c.missive_conversation_id = any(%(ids)s))

-- name: purge_emails
delete from public.emails where missive_conversation_id = any(%(ids)s)

-- name: purge_comments
delete from public.email_comments where missive_conversation_id = any(%(ids)s)

-- name: purge_conversations
delete from public.conversations where missive_id = any(%(ids)s)

-- name: purge_forgotten
delete from ops.forgotten_messages where missive_conversation_id = any(%(ids)s)

-- name: purge_raw
-- Bodies whose rows went just now; what could not be understood goes with its conversation.
delete from ops.raw_records r
where r.source = 'missive' and r.body is not null and (
    r.kind = 'conversations' and r.vendor_id = any(%(ids)s)
    or r.kind in ('emails', 'email_comments') and r.body ->> 'conversation_id' = any(%(ids)s)
    or r.kind = 'email_attachments' and not exists (select from public.email_attachments a where a.missive_id = r.vendor_id)
)
