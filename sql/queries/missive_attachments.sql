-- Attachments of mails: which are skipped, which are to be fetched, how far each is on its way to the NAS (vendors/missive/attachment_ledger.py).
-- %(month)s is the first day of a month of the conversations' last activity, %(conversations)s are ids of Missive; empty: no limit.

-- name: lock_saving
-- One attachment at a time is put on the NAS, by whomever: two that bring the same bytes would put them there twice.
select pg_advisory_lock(727007, 0)

-- name: unlock_saving
select pg_advisory_unlock(727007, 0)

-- name: apply_skip_rules
-- Patterns know * only: what LIKE would take for a wildcard is itself. Whatever is fetched, or stands on the NAS already, is past all rules.
with rules as materialized (
    select id, reason, is_inline, below_bytes, below_pixels, wider_than, in_mails, conversation_state,
           replace(replace(replace(replace(lower(normalize(media_type)), '\', '\\'), '%%', '\%%'), '_', '\_'), '*', '%%') as media_type,
           replace(replace(replace(replace(lower(normalize(name)), '\', '\\'), '%%', '\%%'), '_', '\_'), '*', '%%') as name
    from public.attachment_skip_rules
    where is_enabled
), open_now as materialized (
    select a.id, lower(a.media_type) as media_type, lower(normalize(a.name)) as name, a.is_inline, a.size_bytes, a.pixel_width, a.pixel_height, a.skip_reason,
           r.state
    from ops.attachments_in_reach r join public.email_attachments a using (id)
    where a.content_hash is null
      and not exists (select from ops.attachment_files p where p.attachment_id = a.id and p.placed_at is not null)
      and (%(month)s::date is null or (r.last_activity_at >= %(month)s::date and r.last_activity_at < %(month)s::date + interval '1 month'))
      and (%(conversations)s::text[] is null or r.missive_conversation_id = any(%(conversations)s))
), wanted_images as materialized (
    select distinct size_bytes, pixel_width, pixel_height from open_now
    where media_type like 'image/%%' and exists (select from rules where in_mails is not null)
), images as materialized (
    select w.size_bytes, w.pixel_width, w.pixel_height, count(distinct coalesce(a.missive_email_id, a.missive_comment_id)) as mails
    from wanted_images w join public.email_attachments a using (size_bytes, pixel_width, pixel_height)
    where a.media_type like 'image/%%'
    group by w.size_bytes, w.pixel_width, w.pixel_height
    having count(distinct coalesce(a.missive_email_id, a.missive_comment_id)) >= (select min(in_mails) from rules)  -- few, or each attachment meets them all
), judged as (
    select o.id, (
        select r.reason from rules r
        where (r.media_type is null or coalesce(o.media_type, '') like r.media_type)
          and (r.name is null or o.name like r.name)
          and (r.is_inline is null or o.is_inline = r.is_inline)
          and (r.below_bytes is null or o.size_bytes < r.below_bytes)
          and (r.below_pixels is null or greatest(o.pixel_width, o.pixel_height) < r.below_pixels)
          and (r.wider_than is null or (o.pixel_height > 0 and o.pixel_width > r.wider_than * o.pixel_height))
          and (r.in_mails is null or (o.media_type like 'image/%%' and i.mails >= r.in_mails))
          and (r.conversation_state is null or o.state = r.conversation_state)
        order by r.id limit 1) as reason, o.skip_reason
    from open_now o left join images i using (size_bytes, pixel_width, pixel_height)
), skipped as (
    update public.email_attachments a
    set skip_reason = j.reason, planned_path = case when j.reason is null then a.planned_path end
    from judged j
    where a.id = j.id and j.reason is distinct from j.skip_reason
    returning a.id, a.skip_reason
)
delete from ops.attachment_attempts t using skipped s where t.attachment_id = s.id and s.skip_reason is not null

-- name: conversations
-- Whose attachments wait: what they belong to decides where those go.
select distinct r.conversation_id
from ops.attachments_in_reach r join public.email_attachments a using (id)
where a.content_hash is null and a.skip_reason is null
  and (%(month)s::date is null or (r.last_activity_at >= %(month)s::date and r.last_activity_at < %(month)s::date + interval '1 month'))
  and (%(conversations)s::text[] is null or r.missive_conversation_id = any(%(conversations)s))

-- name: count_skipped
select a.skip_reason, count(*)
from ops.attachments_in_reach r join public.email_attachments a using (id)
where a.content_hash is null and a.skip_reason is not null
  and (%(month)s::date is null or (r.last_activity_at >= %(month)s::date and r.last_activity_at < %(month)s::date + interval '1 month'))
  and (%(conversations)s::text[] is null or r.missive_conversation_id = any(%(conversations)s))
group by a.skip_reason

-- name: count_waiting
-- To be fetched later, or on the NAS and not yet found there by a scan.
select count(*)
from ops.attachments_in_reach r join public.email_attachments a using (id)
left join ops.attachment_attempts t on t.attachment_id = a.id
left join ops.attachment_files p on p.attachment_id = a.id
where a.content_hash is null and a.skip_reason is null and not coalesce(t.permanent, false)
  and (%(month)s::date is null or (r.last_activity_at >= %(month)s::date and r.last_activity_at < %(month)s::date + interval '1 month'))
  and (%(conversations)s::text[] is null or r.missive_conversation_id = any(%(conversations)s))

-- name: choose
-- What this run is going to fetch, in a table of its connection: to look for the next ones again and again would read everything each time.
create temp table chosen_attachments as
select a.id
from ops.attachments_in_reach r join public.email_attachments a using (id)
left join ops.attachment_attempts t on t.attachment_id = a.id
left join ops.attachment_files p on p.attachment_id = a.id
where a.content_hash is null and a.skip_reason is null and a.missive_id is not null and p.placed_at is null
  and (t.attachment_id is null or t.next_try_at <= now())
  and (%(month)s::date is null or (r.last_activity_at >= %(month)s::date and r.last_activity_at < %(month)s::date + interval '1 month'))
  and (%(conversations)s::text[] is null or r.missive_conversation_id = any(%(conversations)s))

-- name: index_chosen
create index on chosen_attachments (id)

-- name: next_chosen
select id from chosen_attachments where id > %(after)s order by id limit %(limit)s

-- name: to_fetch
select a.id, a.missive_id, a.name, a.size_bytes, a.missive_email_id, a.missive_comment_id, r.missive_conversation_id,
       coalesce(to_char(r.sent_at at time zone 'Europe/Berlin', 'YYYYMMDD'), '') as day, r.sender, r.subject,
       array_remove(array[r.subject, r.conversation_subject], null) as subjects,
       array(select l.name from public.conversation_labels b join public.labels l on l.id = b.label_id
             where b.conversation_id = r.conversation_id and l.deleted_at is null) as labels,
       case when exists (select from public.projects where deleted_at is null) then
           array(select f.raw_folder
                 from public.conversation_projects b join public.projects p on p.id = b.project_id join ops.folders f on f.folder = p.nas_folder
                 where b.conversation_id = r.conversation_id and f.present and f.raw_folder is not null)
       end as project_folders
from ops.attachments_in_reach r join public.email_attachments a using (id)
where r.id = any(%(ids)s)
order by a.id

-- name: still_to_fetch
-- Somebody else may have done it while we waited for our turn. With what an earlier try wrote down.
select p.raw_path, p.hash, p.size_bytes
from public.email_attachments a left join ops.attachment_files p on p.attachment_id = a.id
where a.id = %(id)s and a.content_hash is null and a.skip_reason is null and a.deleted_at is null and p.placed_at is null

-- name: stored_address
-- As the mail or comment was read last; it may be too old by now.
select each ->> 'url'
from public.email_attachments a
join ops.raw_records r on r.source = 'missive'
    and (r.kind, r.vendor_id) = (case when a.missive_email_id is not null then 'emails' else 'email_comments' end, coalesce(a.missive_email_id, a.missive_comment_id))
cross join lateral (
    select jsonb_path_query(r.body, '$.attachments[*]') union all select jsonb_path_query(r.body, '$.attachment[*]')
) as said (each)
where a.id = %(id)s and each ->> 'id' = a.missive_id and each ->> 'url' is not null
limit 1

-- name: project_folders
select raw_folder from ops.folders where present and raw_folder is not null order by raw_folder

-- name: begin
insert into ops.attachment_files as p (attachment_id, raw_temporary_path) values (%(id)s, %(raw_path)s)
on conflict (attachment_id) do update
set raw_temporary_path = excluded.raw_temporary_path, raw_path = null, hash = null, size_bytes = null

-- name: temporary_files
select attachment_id, raw_temporary_path from ops.attachment_files where raw_temporary_path is not null

-- name: forget_temporary
with whole as (
    update ops.attachment_files set raw_temporary_path = null where attachment_id = %(id)s and raw_path is not null
)
delete from ops.attachment_files where attachment_id = %(id)s and raw_path is null

-- name: files_with
-- Live files with these bytes, one that was put there for another attachment before one of somebody's own.
select f.id, f.raw_path from public.files f
where f.content_hash = %(hash)s and f.deleted_at is null
order by not exists (select from public.email_attachments a where a.file_id = f.id), f.id
limit 20

-- name: placed_with
-- What was put there for another attachment and no scan has found yet.
select distinct raw_path from ops.attachment_files where hash = %(hash)s and placed_at is not null and attachment_id <> %(id)s limit 20

-- name: intend
update ops.attachment_files set raw_path = %(raw_path)s, hash = %(hash)s, size_bytes = %(size)s where attachment_id = %(id)s

-- name: placed
with placed as (
    update ops.attachment_files
    set raw_path = %(raw_path)s, hash = %(hash)s, size_bytes = %(size)s, raw_temporary_path = null, placed_at = now()
    where attachment_id = %(id)s
)
update public.email_attachments set raw_inbox_path = %(raw_inbox_path)s, inbox_path = %(inbox_path)s where id = %(id)s

-- name: link
with done as (
    delete from ops.attachment_files where attachment_id = %(id)s
), over as (
    delete from ops.attachment_attempts where attachment_id = %(id)s
)
update public.email_attachments
set content_hash = %(hash)s, file_id = %(file_id)s, saved_at = now(), planned_path = null
where id = %(id)s

-- name: fail
-- Again after one, four, sixteen minutes and so on, at last daily.
with over as (
    delete from ops.attachment_files where attachment_id = %(id)s and placed_at is null
)
insert into ops.attachment_attempts as t (attachment_id, reason, permanent, next_try_at)
values (%(id)s, %(reason)s, %(permanent)s, case when not %(permanent)s then now() + interval '1 minute' end)
on conflict (attachment_id) do update
set attempts = t.attempts + 1, reason = excluded.reason, permanent = excluded.permanent, tried_at = now(),
    next_try_at = case when not excluded.permanent then now() + least(interval '1 minute' * 4 ^ least(t.attempts, 10), interval '1 day') end

-- name: link_placed
-- What a scan has found at the very path, or anywhere when somebody has moved it since; also what was found and deleted again, for then it was there.
with found as (
    select p.attachment_id, p.hash, f.id as file_id
    from ops.attachment_files p
    cross join lateral (
        select f.id from public.files f
        where f.content_hash = p.hash and (f.deleted_at is null or (f.raw_path = p.raw_path and f.last_seen_at >= p.placed_at))
        order by f.raw_path = p.raw_path desc, f.deleted_at is null desc, f.id
        limit 1
    ) f
    where p.placed_at is not null
), done as (
    delete from ops.attachment_files p using found where p.attachment_id = found.attachment_id
), over as (
    delete from ops.attachment_attempts t using found where t.attachment_id = found.attachment_id
)
update public.email_attachments a
set content_hash = found.hash, file_id = found.file_id, saved_at = now(), planned_path = null, skip_reason = null
from found where a.id = found.attachment_id
returning a.content_hash

-- name: unlinked
select distinct raw_path, hash, size_bytes from ops.attachment_files where placed_at is not null order by raw_path

-- name: start_over
-- It is not there any more, and no scan has seen it: fetched again, as if it had never been.
with lost as (
    delete from ops.attachment_files where raw_path = %(raw_path)s and hash = %(hash)s and placed_at is not null returning attachment_id
)
update public.email_attachments a set inbox_path = null, raw_inbox_path = null from lost where a.id = lost.attachment_id

-- name: plan
update public.email_attachments a
set planned_path = w.path
from unnest(%(ids)s::bigint[], %(paths)s::text[]) as w (id, path)
where a.id = w.id and a.planned_path is distinct from w.path

-- name: clear_plans
-- Nothing is planned any more: it is done, or going to be.
update public.email_attachments set planned_path = null where planned_path is not null
