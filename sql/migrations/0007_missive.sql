-- Missive: directory, conversations, mails, comments and attachments as Missive has them (design section 5), and how far each was read.
--
-- As in 0006: columns named missive_..._id hold what Missive says; the ..._id beside each is our own row of it, empty until that row is there (lesson 11).

create table public.missive_organizations (
    id bigint generated always as identity primary key,
    missive_id text unique,
    name text not null,
    deleted_at timestamptz
);
comment on table public.missive_organizations is 'Organisations in Missive';

create table public.missive_users (
    id bigint generated always as identity primary key,
    missive_id text unique,
    name text not null,
    email text check (email = lower(email)),  -- one spelling (lesson 23)
    avatar_url text,
    is_token_owner boolean not null default false,
    deleted_at timestamptz
);
comment on table public.missive_users is 'Colleagues who have a seat in Missive';
comment on column public.missive_users.is_token_owner is 'Whose token it is with which Missive is read: what this person sees is mirrored, no more';

create table public.missive_teams (
    id bigint generated always as identity primary key,
    missive_id text unique,
    name text not null,
    missive_organization_id text,
    organization_id bigint references public.missive_organizations (id),
    deleted_at timestamptz
);
create index missive_teams_unlinked_organization on public.missive_teams (missive_organization_id) where organization_id is null and missive_organization_id is not null;
comment on table public.missive_teams is 'Teams in Missive, each with an inbox';

create table public.missive_team_members (
    team_id bigint not null references public.missive_teams (id) on delete cascade,
    missive_user_id text not null,
    role text not null check (role in ('member', 'observer')),
    user_id bigint references public.missive_users (id),
    primary key (team_id, missive_user_id, role)
);
create index missive_team_members_user on public.missive_team_members (user_id);
create index missive_team_members_unlinked on public.missive_team_members (missive_user_id) where user_id is null;
comment on table public.missive_team_members is 'Who is in which team';

create table public.labels (
    id bigint generated always as identity primary key,
    missive_id text unique,
    name text not null,
    full_name text not null,
    color text,
    missive_parent_id text,
    parent_id bigint references public.labels (id) on delete set null,
    missive_organization_id text,
    organization_id bigint references public.missive_organizations (id),
    deleted_at timestamptz
);
create index labels_unlinked_parent on public.labels (missive_parent_id) where parent_id is null and missive_parent_id is not null;
create index labels_unlinked_organization on public.labels (missive_organization_id) where organization_id is null and missive_organization_id is not null;
comment on table public.labels is 'Shared labels of conversations';
comment on column public.labels.full_name is 'With the names of the labels above it';

create table public.contacts (
    id bigint generated always as identity primary key,
    missive_id text unique,
    name text not null,
    first_name text not null default '',
    last_name text not null default '',
    missive_contact_book_id text,
    is_starred boolean not null default false,
    modified_at timestamptz,
    deleted_at timestamptz
);
comment on table public.contacts is 'Contacts in the address books of Missive';

create table public.contact_infos (
    contact_id bigint not null references public.contacts (id) on delete cascade,
    ordinal integer not null,
    kind text not null,
    label text,
    value text,
    primary key (contact_id, ordinal)
);
create index contact_infos_value on public.contact_infos (value) where kind = 'email';
comment on table public.contact_infos is 'Addresses, numbers and the like of contacts';
comment on column public.contact_infos.value is 'Mail addresses in small letters';

create table public.conversations (
    id bigint generated always as identity primary key,
    missive_id text unique,
    subject text,
    state text not null default 'open' check (state in ('open', 'closed', 'trashed', 'junked')),
    last_activity_at timestamptz,
    messages_count integer check (messages_count >= 0),
    drafts_count integer,
    attachments_count integer,
    tasks_count integer,
    completed_tasks_count integer,
    color text,
    missive_team_id text,
    team_id bigint references public.missive_teams (id),
    missive_organization_id text,
    organization_id bigint references public.missive_organizations (id),
    missive_merged_into_id text,
    merged_into_id bigint references public.conversations (id) on delete set null,
    created_at timestamptz,
    deleted_at timestamptz,
    url text
);
create index conversations_activity on public.conversations (last_activity_at);
create index conversations_team on public.conversations (team_id);
create index conversations_unlinked_team on public.conversations (missive_team_id) where team_id is null and missive_team_id is not null;
create index conversations_unlinked_organization on public.conversations (missive_organization_id) where organization_id is null and missive_organization_id is not null;
create index conversations_unlinked_merged_into on public.conversations (missive_merged_into_id) where merged_into_id is null and missive_merged_into_id is not null;
comment on table public.conversations is 'Conversations of Missive: mails and comments that belong together';
comment on column public.conversations.subject is 'As somebody renamed it, else of the latest message';
comment on column public.conversations.state is 'In Missive each colleague has a state; trashed, junked or closed is here what is so for all who have it';
comment on column public.conversations.last_activity_at is 'As Missive says; labels and the like need not move it';
comment on column public.conversations.messages_count is 'As Missive says; a check compares it with the mails that are stored';
comment on column public.conversations.merged_into_id is 'The conversation that holds its mails now';
comment on column public.conversations.deleted_at is 'When it was found missing in Missive, merged, or outside of what the settings allow';

create table public.conversation_labels (
    conversation_id bigint not null references public.conversations (id) on delete cascade,
    missive_label_id text not null,
    label_id bigint references public.labels (id),
    primary key (conversation_id, missive_label_id)
);
create index conversation_labels_label on public.conversation_labels (label_id);
create index conversation_labels_unlinked on public.conversation_labels (missive_label_id) where label_id is null;
comment on table public.conversation_labels is 'Which conversation carries which label';

create table public.conversation_assignees (
    conversation_id bigint not null references public.conversations (id) on delete cascade,
    missive_user_id text not null,
    user_id bigint references public.missive_users (id),
    primary key (conversation_id, missive_user_id)
);
create index conversation_assignees_user on public.conversation_assignees (user_id);
create index conversation_assignees_unlinked on public.conversation_assignees (missive_user_id) where user_id is null;
comment on table public.conversation_assignees is 'Who is to look after which conversation';

create table public.conversation_users (
    conversation_id bigint not null references public.conversations (id) on delete cascade,
    missive_user_id text not null,
    is_closed boolean not null default false,
    is_archived boolean not null default false,
    is_trashed boolean not null default false,
    is_junked boolean not null default false,
    is_assigned boolean not null default false,
    is_flagged boolean not null default false,
    is_snoozed boolean not null default false,
    user_id bigint references public.missive_users (id),
    primary key (conversation_id, missive_user_id)
);
create index conversation_users_user on public.conversation_users (user_id);
create index conversation_users_unlinked on public.conversation_users (missive_user_id) where user_id is null;
comment on table public.conversation_users is 'Who has which conversation, and in which state';

create table public.emails (
    id bigint generated always as identity primary key,
    missive_id text unique,
    type text not null default 'email',
    subject text,
    from_address text check (from_address = lower(from_address)),
    from_name text,
    delivered_at timestamptz,
    snippet text,
    body_text text,
    language text,
    message_id text,
    in_reply_to text[] not null default '{}',
    reference_ids text[] not null default '{}',
    thread text,
    missive_conversation_id text,
    conversation_id bigint references public.conversations (id),
    created_at timestamptz,
    updated_at timestamptz,
    deleted_at timestamptz
);
create index emails_conversation on public.emails (conversation_id);
create index emails_named_conversation on public.emails (missive_conversation_id);
create index emails_delivered on public.emails (delivered_at);
create index emails_from on public.emails (from_address);
create index emails_thread on public.emails (thread);
create index emails_unlinked_conversation on public.emails (missive_conversation_id) where conversation_id is null and missive_conversation_id is not null;
comment on table public.emails is 'Mails and other messages (SMS, WhatsApp ...) of conversations';
comment on column public.emails.type is 'email, sms, whatsapp ... as Missive calls it';
comment on column public.emails.from_address is 'Mail address in small letters, or telephone number or user name';
comment on column public.emails.body_text is 'What the sender wrote in this mail: without quotes and signature, derived';
comment on column public.emails.language is 'Of body_text, derived; empty where there is too little of it';
comment on column public.emails.thread is 'The same for all mails that answer each other, by their message ids, derived';
comment on column public.emails.message_id is 'As the mail itself says, without angle brackets';

create table public.email_bodies (
    email_id bigint primary key references public.emails (id) on delete cascade,
    html text,
    quoted_text text not null default '',
    signature text not null default ''
);
comment on table public.email_bodies is 'The rest of each mail''s text, apart so that lists stay narrow; what Missive sent stands in ops.raw_records';
comment on column public.email_bodies.html is 'Made safe to be shown';
comment on column public.email_bodies.quoted_text is 'What is quoted of earlier mails';

create table public.email_recipients (
    email_id bigint not null references public.emails (id) on delete cascade,
    kind text not null check (kind in ('to', 'cc', 'bcc', 'reply_to')),
    ordinal integer not null,
    address text check (address = lower(address)),
    name text,
    primary key (email_id, kind, ordinal)
);
create index email_recipients_address on public.email_recipients (address);
comment on table public.email_recipients is 'Who got which mail';

create table public.email_comments (
    id bigint generated always as identity primary key,
    missive_id text unique,
    body text,
    missive_author_id text,
    author_id bigint references public.missive_users (id),
    author_name text,
    author_email text check (author_email = lower(author_email)),
    missive_conversation_id text,
    conversation_id bigint references public.conversations (id),
    task text,
    task_state text,
    task_due_at timestamptz,
    task_started_at timestamptz,
    task_closed_at timestamptz,
    missive_task_team_id text,
    task_team_id bigint references public.missive_teams (id),
    created_at timestamptz,
    deleted_at timestamptz
);
create index email_comments_conversation on public.email_comments (conversation_id);
create index email_comments_named_conversation on public.email_comments (missive_conversation_id);
create index email_comments_author on public.email_comments (author_id);
create index email_comments_unlinked_author on public.email_comments (missive_author_id) where author_id is null and missive_author_id is not null;
create index email_comments_unlinked_conversation on public.email_comments (missive_conversation_id) where conversation_id is null and missive_conversation_id is not null;
create index email_comments_unlinked_task_team on public.email_comments (missive_task_team_id) where task_team_id is null and missive_task_team_id is not null;
comment on table public.email_comments is 'What colleagues say to each other in a conversation, tasks included';
comment on column public.email_comments.task is 'What is to be done, where the comment is a task';
comment on column public.email_comments.task_state is 'todo, in_progress or closed';

create table public.email_comment_mentions (
    comment_id bigint not null references public.email_comments (id) on delete cascade,
    position integer not null,
    length integer,
    missive_user_id text not null,
    user_id bigint references public.missive_users (id),
    primary key (comment_id, position, missive_user_id)
);
create index email_comment_mentions_user on public.email_comment_mentions (user_id);
create index email_comment_mentions_unlinked on public.email_comment_mentions (missive_user_id) where user_id is null;
comment on table public.email_comment_mentions is 'Who is addressed in which comment';

create table public.email_comment_task_assignees (
    comment_id bigint not null references public.email_comments (id) on delete cascade,
    missive_user_id text not null,
    user_id bigint references public.missive_users (id),
    primary key (comment_id, missive_user_id)
);
create index email_comment_task_assignees_user on public.email_comment_task_assignees (user_id);
create index email_comment_task_assignees_unlinked on public.email_comment_task_assignees (missive_user_id) where user_id is null;
comment on table public.email_comment_task_assignees is 'Who is to do the task of which comment';

create table public.email_attachments (
    id bigint generated always as identity primary key,
    missive_id text unique,
    name text not null,
    extension text not null default '',
    media_type text,
    size_bytes bigint check (size_bytes >= 0),
    pixel_width integer,
    pixel_height integer,
    is_inline boolean not null default false,
    missive_email_id text,
    email_id bigint references public.emails (id),
    missive_comment_id text,
    comment_id bigint references public.email_comments (id),
    skip_reason text,
    content_hash text references public.contents (hash),
    inbox_path text,
    raw_inbox_path bytea,
    file_id bigint references public.files (id),
    saved_at timestamptz,
    planned_path text,
    deleted_at timestamptz,
    check (num_nonnulls(missive_email_id, missive_comment_id) = 1),
    check ((raw_inbox_path is null) = (inbox_path is null))
);
create index email_attachments_email on public.email_attachments (email_id);
create index email_attachments_named_email on public.email_attachments (missive_email_id);
create index email_attachments_comment on public.email_attachments (comment_id);
create index email_attachments_named_comment on public.email_attachments (missive_comment_id);
create index email_attachments_content on public.email_attachments (content_hash);
create index email_attachments_file on public.email_attachments (file_id);
create index email_attachments_unlinked_email on public.email_attachments (missive_email_id) where email_id is null and missive_email_id is not null;
create index email_attachments_unlinked_comment on public.email_attachments (missive_comment_id) where comment_id is null and missive_comment_id is not null;
create index email_attachments_same_image on public.email_attachments (size_bytes, pixel_width, pixel_height) where media_type like 'image/%';
create index email_attachments_open on public.email_attachments (id) where content_hash is null and skip_reason is null and deleted_at is null;
comment on table public.email_attachments is 'Every attachment of every mail and comment, also those that are not fetched';
comment on column public.email_attachments.name is 'As the mail names it';
comment on column public.email_attachments.is_inline is 'Shown within the text';
comment on column public.email_attachments.skip_reason is 'Why it is not fetched: by the rules in attachment_skip_rules';
comment on column public.email_attachments.content_hash is 'What it holds; empty until it was fetched';
comment on column public.email_attachments.inbox_path is 'Where it was put on the NAS; empty where its bytes were there already';
comment on column public.email_attachments.raw_inbox_path is 'The same as the bytes on disk';
comment on column public.email_attachments.file_id is 'A file on the NAS with the same content: the one that was put there for it, if it was';
comment on column public.email_attachments.saved_at is 'Since when its bytes are known to be on the NAS';
comment on column public.email_attachments.planned_path is 'Where it would be put, while IBHELM_ATTACHMENT_INBOX says dry-run';

create table public.attachment_skip_rules (
    id bigint generated always as identity primary key,
    reason text not null check (reason <> ''),
    media_type text,
    name text,
    is_inline boolean,
    below_bytes bigint check (below_bytes > 0),
    below_pixels integer check (below_pixels > 0),
    wider_than numeric check (wider_than > 0),
    in_mails integer check (in_mails > 1),
    conversation_state text check (conversation_state in ('open', 'closed', 'trashed', 'junked')),
    is_enabled boolean not null default true,
    check (num_nonnulls(media_type, name, is_inline, below_bytes, below_pixels, wider_than, in_mails, conversation_state) > 0)  -- or it would skip everything
);
comment on table public.attachment_skip_rules is 'What is not fetched: an attachment for which all that a rule says is true';
comment on column public.attachment_skip_rules.reason is 'Stands at the attachment';
comment on column public.attachment_skip_rules.media_type is 'Pattern with * such as image/*; capitals and small letters are the same';
comment on column public.attachment_skip_rules.name is 'Pattern with * such as *.ics; capitals and small letters are the same';
comment on column public.attachment_skip_rules.is_inline is 'Shown within the text, or not';
comment on column public.attachment_skip_rules.below_bytes is 'Smaller than so many bytes';
comment on column public.attachment_skip_rules.below_pixels is 'An image whose longer side has fewer pixels';
comment on column public.attachment_skip_rules.wider_than is 'An image that is so many times wider than high';
comment on column public.attachment_skip_rules.in_mails is 'An image of the same size in bytes and pixels is in at least so many mails';
comment on column public.attachment_skip_rules.conversation_state is 'As conversations.state says: open, closed, trashed, junked';
grant insert, update, delete on public.attachment_skip_rules to ibhelm_nocodb;
insert into public.attachment_skip_rules (reason, conversation_state) values ('Spam', 'junked');
insert into public.attachment_skip_rules (reason, media_type, name, is_inline, below_bytes, below_pixels, wider_than, in_mails) values
    ('Kalendereintrag', 'text/calendar', null, null, null, null, null, null),
    ('Kalendereintrag', null, '*.ics', null, null, null, null, null),
    ('Visitenkarte', 'text/*vcard', null, null, null, null, null, null),
    ('Visitenkarte', null, '*.vcf', null, null, null, null, null),
    ('Signatur', 'application/*pkcs7-signature', null, null, null, null, null, null),
    ('Signatur', null, 'smime.p7s', null, null, null, null, null),
    ('Signatur', 'application/pgp-signature', null, null, null, null, null, null),
    ('Sehr kleines Bild', 'image/*', null, null, 3000, null, null, null),
    ('Sehr kleines Bild', 'image/*', null, null, null, 64, null, null),
    ('Logo im Text', 'image/*', null, true, 30000, null, null, null),
    ('Banner', 'image/*', null, true, null, null, 4, null),
    ('Logo in vielen Mails', 'image/*', null, true, null, null, null, 5);

create table ops.attachment_attempts (
    attachment_id bigint primary key references public.email_attachments (id) on delete cascade,
    attempts integer not null default 1 check (attempts >= 1),
    reason text not null,
    permanent boolean not null default false,
    tried_at timestamptz not null default now(),
    next_try_at timestamptz,
    check ((next_try_at is null) = permanent)
);
comment on table ops.attachment_attempts is 'Attachments that could not be fetched or put on the NAS, and why; a row goes when it was done';

create table ops.attachment_files (
    attachment_id bigint primary key references public.email_attachments (id) on delete cascade,
    raw_temporary_path bytea,
    raw_path bytea,
    hash text check (hash ~ '^[0-9a-f]{64}$'),
    size_bytes bigint check (size_bytes >= 0),
    placed_at timestamptz,
    check (num_nulls(raw_path, hash, size_bytes) in (0, 3)),
    check (placed_at is null or (raw_path is not null and raw_temporary_path is null)),
    check (raw_path is not null or raw_temporary_path is not null)
);
create index attachment_files_hash on ops.attachment_files (hash) where placed_at is not null;
comment on table ops.attachment_files is 'Attachments on their way to the NAS: a row goes when a scan has found the file and the attachment is linked with it';
comment on column ops.attachment_files.raw_temporary_path is 'Of the file that is being fetched; what a killed run leaves there is removed by the next one';
comment on column ops.attachment_files.raw_path is 'Where the file is put; written before the file has that name';
comment on column ops.attachment_files.placed_at is 'Since when all of it stands there';

create view ops.attachments_in_reach as
select a.id, c.id as conversation_id, c.missive_id as missive_conversation_id, c.last_activity_at, c.state, c.subject as conversation_subject,
       coalesce(e.delivered_at, e.created_at) as sent_at, coalesce(nullif(trim(e.from_name), ''), e.from_address, '') as sender,
       coalesce(e.subject, c.subject, '') as subject
from public.conversations c join public.emails e on e.conversation_id = c.id join public.email_attachments a on a.email_id = e.id
where c.deleted_at is null and e.deleted_at is null and a.deleted_at is null
union all
select a.id, c.id, c.missive_id, c.last_activity_at, c.state, c.subject, k.created_at, coalesce(nullif(trim(k.author_name), ''), k.author_email, ''), coalesce(c.subject, '')
from public.conversations c join public.email_comments k on k.conversation_id = c.id join public.email_attachments a on a.comment_id = k.id
where c.deleted_at is null and k.deleted_at is null and a.deleted_at is null;
comment on view ops.attachments_in_reach is 'Attachments of what is live in Missive and may be read, with what decides where they go';

create table ops.conversation_reads (
    missive_id text primary key,
    last_activity_at timestamptz,
    messages_count integer,
    listed_at timestamptz,
    due_at timestamptz,
    read_at timestamptz,
    attempts integer not null default 0,
    error text,
    next_try_at timestamptz
);
create index conversation_reads_due on ops.conversation_reads (last_activity_at desc) where due_at is not null;
comment on table ops.conversation_reads is 'Which conversations have to be read again: their mails and comments are no part of the list';
comment on column ops.conversation_reads.listed_at is 'When a list last named it, by this server''s clock';
comment on column ops.conversation_reads.due_at is 'Since when what we hold of it is known, or suspected, to be old; empty: nothing to do';
comment on column ops.conversation_reads.read_at is 'When its mails and comments were last asked for, whole';

create table ops.sweep_gaps (
    source text not null check (source in ('missive')),
    resource text not null,
    opened_at timestamptz not null,
    full_sweep boolean not null,
    floor_at timestamptz,
    ceiling_at timestamptz,
    scope text not null,
    primary key (source, resource, opened_at)
);
comment on table ops.sweep_gaps is 'What of a list is still to be read, newest first: a sweep that was interrupted goes on here';
comment on column ops.sweep_gaps.scope is 'What the settings let in when it began';
comment on column ops.sweep_gaps.floor_at is 'Down to this last activity; empty: to the end';
comment on column ops.sweep_gaps.ceiling_at is 'From this last activity; empty: from the top';

alter table ops.sync_cursors add column scope text;
comment on column ops.sync_cursors.scope is 'What the settings let in when everything was read: where they say something else now, everything is read again';

-- What was forgotten on a person's request, and what sees to it that it stays away (docs/privacy.md).

create table ops.forgotten (
    id bigint generated always as identity primary key,
    salt bytea not null check (length(salt) = 32),
    digest bytea not null check (length(digest) = 32),
    noted_at timestamptz not null default now(),
    completed_at timestamptz
);
comment on table ops.forgotten is 'Addresses whose mails must not come back. None can be read here; of one that is named again can be told that it is among them';
comment on column ops.forgotten.digest is 'HMAC-SHA-256 of the address in small letters, the salt being the key';
comment on column ops.forgotten.completed_at is 'When all that was stored of it had been removed; empty: the command has to be run again';

create table ops.forgotten_messages (
    missive_id text primary key,
    missive_conversation_id text not null
);
create index forgotten_messages_conversation on ops.forgotten_messages (missive_conversation_id);
comment on table ops.forgotten_messages is 'Messages that Missive still counts and that are not kept here; nothing is known of them but that they are there';

create table ops.forget_runs (
    id bigint generated always as identity primary key,
    requested_by text not null,
    addresses integer not null check (addresses > 0),
    started_at timestamptz not null default now(),
    finished_at timestamptz,
    removed jsonb not null default '{}',
    stays jsonb not null default '{}'
);
comment on table ops.forget_runs is 'Each time that a person''s data was removed: who did it, when, and how much; not whose';
comment on column ops.forget_runs.finished_at is 'Empty: it was interrupted; a later run of the same command removed the rest, or has to';

create table ops.objects_to_delete (
    key text primary key,
    content_hash text not null,
    size_bytes bigint,
    noted_at timestamptz not null default now()
);
comment on table ops.objects_to_delete is 'Objects in S3 whose rows are gone; a row goes when its object is gone';
comment on column ops.objects_to_delete.size_bytes is 'Empty where no object was known, and one may lie there all the same: an upload whose run was killed';

-- History is for good but for one reason: what has to be forgotten. Whoever means that says so, for one transaction.
create or replace function ops.refuse_version_rewrite() returns trigger language plpgsql as $$
begin
    if current_setting('ibhelm.forgetting', true) = 'on' then
        return case tg_op when 'DELETE' then old else new end;
    end if;
    if tg_op = 'DELETE' or old.valid_to is not null
       or (new.file_id, new.raw_path, new.content_hash, new.size_bytes, new.valid_from)
          is distinct from (old.file_id, old.raw_path, old.content_hash, old.size_bytes, old.valid_from) then
        raise exception 'file_versions is history: version % cannot be changed', old.id using errcode = 'check_violation';
    end if;
    return new;
end $$;
comment on table public.file_versions is 'Where each file was and what it held, from when to when; never rewritten but for what must be forgotten, read by restore';

-- How Missive is, in the views of 0005 and 0006.

create view ops.readings_under_way as
select 'missive' as source
where exists (select from pg_locks l
              where l.locktype = 'advisory' and l.objsubid = 1 and l.granted and l.database = (select oid from pg_database where datname = current_database())
                and (l.classid::bigint << 32 | l.objid::bigint) = hashtextextended('ibhelm missive read', 0))
  and exists (select from ops.conversation_reads where greatest(listed_at, read_at) > now() - interval '30 minutes');
comment on view ops.readings_under_way is 'Vendors that somebody reads now, and gets on with: the first reading of a large office takes hours';

create or replace view ops.readable_vendors as
select source from ops.sync_cursors
where (source, resource) in (('teamwork', 'projects'), ('missive', 'contacts')) and full_synced_at is not null and switched_off_at is null;

create or replace view ops.stale_lists as
select source, resource, synced_at, full_synced_at from ops.sync_cursors
where switched_off_at is null and (synced_at is null or synced_at < now() - interval '30 minutes')
  and source not in (select source from ops.readings_under_way);

create or replace view ops.given_up_events as
select i.id, i.source, i.kind, i.label, i.folder, i.events, i.attempts, i.error, i.poisoned_at
from ops.inbox i
where i.poisoned_at is not null
  -- A later scan or sync of everything has looked at the same things; what it could not do, it says itself.
  and (i.source not in ('nas', 'content') or not exists (
      select from ops.scans s
      where s.paths is null and s.folders is null and s.state in ('complete', 'incomplete') and s.started_at > i.poisoned_at))
  and (i.source in ('nas', 'content') or not coalesce((
      select bool_and(coalesce(c.full_synced_at > i.poisoned_at, false)) and (i.source <> 'missive' or bool_or(c.resource = 'contents'))
      from ops.sync_cursors c where c.source = i.source), false));

create view ops.incomplete_conversations as
select c.id, c.missive_id, c.subject, c.last_activity_at, c.url, c.messages_count, coalesce(e.stored, 0) as stored, coalesce(f.forgotten, 0) as forgotten,
       r.due_at, coalesce(r.attempts, 0) as attempts
from public.conversations c
left join (select conversation_id, count(*) as stored from public.emails where deleted_at is null group by conversation_id) e on e.conversation_id = c.id
left join (select missive_conversation_id, count(*) as forgotten from ops.forgotten_messages group by missive_conversation_id) f
    on f.missive_conversation_id = c.missive_id
left join ops.conversation_reads r on r.missive_id = c.missive_id
where c.deleted_at is null and c.missive_id is not null and c.messages_count <> coalesce(e.stored, 0) + coalesce(f.forgotten, 0);
comment on view ops.incomplete_conversations is 'Conversations of which not as many messages are stored as Missive counts; of those that are due it is known';

create view ops.unread_conversations as
select r.missive_id, c.subject, c.url, r.due_at, r.attempts, r.error, r.next_try_at,
       r.due_at < now() - interval '2 hours' or r.attempts >= 8 as is_late  -- tried eight times: for two hours, though new mails make it due anew
from ops.conversation_reads r left join public.conversations c on c.missive_id = r.missive_id
where r.due_at is not null;
comment on view ops.unread_conversations is 'Conversations of which it is known that what is stored of them is old; without an error: whose turn has not come yet';

alter view ops.health rename to health_without_missive;

create view ops.health as
select subject, state, number, bytes, since, detail from ops.health_without_missive
union all
select 'missive',
       case when s.is_off then 'ok'
            when exists (select from ops.stale_lists where source = 'missive') or s.refused > 0 then 'error'
            when exists (select from ops.unread_conversations where error is not null) or s.incomplete > 0
              or exists (select from ops.raw_records where source = 'missive' and error is not null) then 'warning' else 'ok' end,
       (select count(*) from public.emails where missive_id is not null and deleted_at is null), null, s.since,
       case when s.is_off then 'switched off'
            else format('mails of %s conversations, %s comments, %s of %s attachments on the NAS',
                        (select count(*) from public.conversations where missive_id is not null and deleted_at is null),
                        (select count(*) from public.email_comments where deleted_at is null),
                        (select count(*) from public.email_attachments where deleted_at is null and content_hash is not null),
                        (select count(*) from public.email_attachments where deleted_at is null and skip_reason is null))
                 || coalesce('; ' || nullif((select count(*) from ops.unread_conversations), 0) || ' conversations still to be read', '')
                 || coalesce('; ' || nullif(s.incomplete, 0) || ' without all their messages', '') end
from (
    select bool_and(c.switched_off_at is not null) as is_off, sum(c.refused_deletions) as refused, min(c.synced_at) as since,
           (select count(*) from ops.incomplete_conversations where due_at is null) as incomplete
    from ops.sync_cursors c where c.source = 'missive' having count(*) > 0
) as s;
comment on view ops.health is 'How the platform is: one row per subject. Fast enough to be asked at any time';
comment on column ops.health.subject is 'What the row is about: files, whole scan, queue of a source, a process, a step, objects of a kind, alerts, database, a vendor';
comment on column ops.health.state is 'ok, warning or error';
comment on column ops.health.number is 'How many: live files, files seen by the scan, paths, waiting events, contents without a result, objects, alerts, live tasks, live mails';
comment on column ops.health.since is 'Last scan or reading, oldest waiting event, last sign of life, newest object, oldest trouble';
comment on column ops.health.detail is 'The rest, for people';
