-- Merges people (ibhelm_pipelines/register/people.py). Two transactions of one session, persons and participants; said_addresses is for both.

-- name: try_lock_people
-- One merging at a time.
select pg_try_advisory_lock(hashtextextended('ibhelm people', 0))

-- name: unlock_people
select pg_advisory_unlock(hashtextextended('ibhelm people', 0))

-- name: lock_people
-- The same, waiting: who forgets somebody comes after a merging that is under way, and before the next one.
select pg_advisory_xact_lock(hashtextextended('ibhelm people', 0))

-- name: use_memory
-- A million recipients are counted by person and mail.
select set_config('work_mem', '128MB', false), set_config('jit', 'off', false)

-- name: create_found
create temp table found_addresses (
    ordinal bigint, address text not null, kind text not null, key text not null, is_live boolean not null
) on commit drop;
create temp table found_identities (
    kind text not null, key text not null, name text, is_live boolean not null,
    teamwork_person_id bigint, missive_user_id bigint, contact_id bigint, primary key (kind, key)
) on commit drop;

-- name: find_cards
-- Rows of the vendors, deleted ones included: they did what they did. Names that are no more than an address or a number in parentheses are none.
insert into found_identities (kind, key, name, is_live, teamwork_person_id, missive_user_id, contact_id)
select 'teamwork', coalesce(teamwork_id::text, 'row ' || id), nullif(btrim(first_name || ' ' || last_name), ''), deleted_at is null, id, null::bigint, null::bigint
from public.people
union all
select 'missive_user', coalesce(missive_id, 'row ' || id), case when position('@' in name) = 0 then nullif(btrim(name), '') end, deleted_at is null, null, id, null
from public.missive_users
union all
select 'contact', coalesce(missive_id, 'row ' || id), nullif(btrim(first_name || ' ' || last_name), ''), deleted_at is null, null, null, id
from public.contacts

-- name: find_card_addresses
-- In the one spelling of addresses (lesson 23; db/forgotten.py: normal). What is longer is none, and no index would hold it.
insert into found_addresses (ordinal, address, kind, key, is_live)
select row_number() over (partition by address, kind, key order by rank), address, kind, key, is_live from (
    select 0 as rank, lower(btrim(normalize(p.email, nfc))) as address, f.kind, f.key, f.is_live
    from found_identities f join public.people p on p.id = f.teamwork_person_id
    union all
    select 0, lower(btrim(normalize(u.email, nfc))), f.kind, f.key, f.is_live from found_identities f join public.missive_users u on u.id = f.missive_user_id
    union all
    select i.ordinal, lower(btrim(normalize(i.value, nfc))), f.kind, f.key, f.is_live
    from found_identities f join public.contact_infos i on i.contact_id = f.contact_id and i.kind = 'email'
) as said
where position('@' in address) > 1 and length(address) <= 600

-- name: find_said_addresses
-- As they stand in mails and comments, with the names beside them, and the one spelling that is the key. Live is what is neither deleted nor spam: who is
-- known by nothing else is no person of the office.
create temp table said_addresses as
with said as (
    select e.from_address as address, e.from_name as name, true as is_own_word, (e.deleted_at is null and c.deleted_at is null and c.state <> 'junked') as is_live
    from public.emails e join public.conversations c on c.id = e.conversation_id
    union all
    select r.address, r.name, false, (e.deleted_at is null and c.deleted_at is null and c.state <> 'junked')
    from public.email_recipients r join public.emails e on e.id = r.email_id join public.conversations c on c.id = e.conversation_id
    union all
    select k.author_email, k.author_name, true, (k.deleted_at is null and c.deleted_at is null and c.state <> 'junked')
    from public.email_comments k join public.conversations c on c.id = k.conversation_id
), counted as materialized (
    select address, name, bool_or(is_own_word) as is_own_word, count(*) as times, bool_or(is_live) as is_live
    from said where address is not null group by address, name
)
select address, lower(btrim(normalize(address, nfc))) as key, nullif(btrim(name, ' ''"'), '') as name, is_own_word, times, is_live from counted

-- name: find_mail_addresses
-- Each with the name that stands beside it most often; what senders call themselves comes before what others call them.
with named as (
    select distinct on (key) key as address, name from said_addresses
    where name is not null and position('@' in name) = 0
    order by key, is_own_word desc, times desc, name
), known as (
    select address, bool_or(is_live) as is_live
    from (select key as address, is_live from said_addresses union all select address, is_live from found_addresses) as every
    where address <> '' and length(address) <= 600 group by address
)
insert into found_identities (kind, key, name, is_live)
select 'address', known.address, named.name, known.is_live from known left join named using (address)

-- name: find_file_owners
-- Without the domain of a Windows account before the name.
insert into found_identities (kind, key, is_live)
select 'file_owner', owner, bool_or(is_live) from (
    select lower(btrim(normalize(regexp_replace(created_by, '^.*\\', ''), nfc))) as owner, bool_or(deleted_at is null) as is_live
    from public.files where created_by is not null group by created_by
) as f where owner <> '' group by owner

-- name: found_keys
select kind, key from found_identities where kind in ('address', 'file_owner')

-- name: create_hidden
create temp table hidden_identities (kind text not null, key text not null) on commit drop

-- name: drop_hidden
-- Who was forgotten, with all cards that carry the address.
with cards as (
    delete from found_identities f using found_addresses a, hidden_identities h
    where h.kind = 'address' and a.address = h.key and (f.kind, f.key) = (a.kind, a.key)
    returning f.kind, f.key
), addresses as (
    delete from found_addresses a
    where (a.kind, a.key) in (select c.kind, c.key from found_addresses c join hidden_identities h on h.kind = 'address' and h.key = c.address)
)
delete from found_identities f using hidden_identities h where (f.kind, f.key) = (h.kind, h.key)

-- name: analyze_found
analyze found_addresses, found_identities, said_addresses

-- name: lock_human_columns
-- What somebody types meanwhile waits: read before it was typed and written after it, it would be lost.
lock table public.persons, public.person_identities in share row exclusive mode

-- name: lock_participants
lock table public.project_participants in share row exclusive mode

-- name: delete_identities
-- Of what no source says any more. Where a person said whose it is, that stays, without a name, for the day when it is there again.
with gone as materialized (
    select i.id, i.person_source from public.person_identities i
    where not exists (select from found_identities f where (f.kind, f.key) = (i.kind, i.key))
), bared as (
    update public.person_identities i set label = i.key, name = null, deleted_at = coalesce(i.deleted_at, now())
    from gone where gone.id = i.id and gone.person_source = 'person' and (i.label, i.deleted_at is null, i.name is null) is distinct from (i.key, false, true)
)
delete from public.person_identities i using gone where gone.id = i.id and gone.person_source = 'rule'

-- name: label_found
-- What is shown: the name, or an address.
create temp table labelled_identities on commit drop as
select f.*, case when f.kind in ('address', 'file_owner') then f.key else coalesce(f.name, a.address, f.key) end as label
from found_identities f left join (select kind, key, min(address) as address from found_addresses group by kind, key) a using (kind, key)

-- name: update_identities
update public.person_identities i
set label = l.label, name = l.name, teamwork_person_id = l.teamwork_person_id, missive_user_id = l.missive_user_id, contact_id = l.contact_id,
    deleted_at = case when l.is_live then null else coalesce(i.deleted_at, now()) end
from labelled_identities l
where (l.kind, l.key) = (i.kind, i.key)
  and (i.label, i.name, i.teamwork_person_id, i.missive_user_id, i.contact_id, i.deleted_at is null)
      is distinct from (l.label, l.name, l.teamwork_person_id, l.missive_user_id, l.contact_id, l.is_live)

-- name: insert_identities
-- In an order that does not depend on who came first. What only deleted things and spam name is no news; but a colleague who left did what he did.
insert into public.person_identities (label, kind, key, name, teamwork_person_id, missive_user_id, contact_id, deleted_at)
select l.label, l.kind, l.key, l.name, l.teamwork_person_id, l.missive_user_id, l.contact_id, case when not l.is_live then now() end
from labelled_identities l
where (l.is_live or l.kind in ('teamwork', 'missive_user'))
  and not exists (select from public.person_identities i where (i.kind, i.key) = (l.kind, l.key))
order by array_position(array['teamwork', 'missive_user', 'contact', 'address', 'file_owner'], l.kind), length(l.key), l.key

-- name: list_identities
select i.id, i.kind, i.key, i.name, i.deleted_at is null, i.person_id, i.person_source = 'person' and i.person_id is not null, a.person_id
from public.person_identities i left join ops.person_anchors a on a.identity_id = i.id

-- name: list_card_addresses
select i.id, a.address
from found_addresses a join public.person_identities i on (i.kind, i.key) = (a.kind, a.key)
order by 1, 2

-- name: list_merged
select id, merged_into_id, merged_into_source = 'person' from public.persons where merged_into_id is not null

-- name: list_own_domains
-- Where colleagues have their addresses.
select distinct split_part(a.address, '@', -1)
from found_addresses a join found_identities f on (f.kind, f.key) = (a.kind, a.key)
left join public.people p on p.id = f.teamwork_person_id left join public.companies c on c.id = p.company_id
where f.is_live and (f.kind = 'missive_user' or c.is_own and not p.is_client)

-- name: list_company_domains
-- Each domain that stands for a firm: its web site, its mail, and the addresses of its people.
with said (company_id, domain) as (
    select id, substring(website from '^\s*(?:[A-Za-z][A-Za-z0-9+.-]*://)?(?:[wW]{3}\.)?([^/:?#\s]+)') from public.companies
    union all
    select id, split_part(btrim(email), '@', -1) from public.companies where position('@' in email) > 0
    union all
    select p.company_id, split_part(a.address, '@', -1)
    from public.people p join found_identities f on f.teamwork_person_id = p.id join found_addresses a on (a.kind, a.key) = (f.kind, f.key)
    where f.is_live
)
select distinct c.id, c.is_own, lower(s.domain)
from said s join public.companies c on c.id = s.company_id
where c.deleted_at is null and position('.' in s.domain) > 0

-- name: new_person_ids
select nextval(pg_get_serial_sequence('public.persons', 'id')) from generate_series(1, %(count)s)

-- name: create_wanted
create temp table wanted_identities (
    id bigint primary key, person_id bigint, is_shared boolean not null
) on commit drop;
create temp table wanted_persons (
    id bigint primary key, identity_id bigint not null, is_new boolean not null
) on commit drop;
create temp table wanted_merges (id bigint primary key, merged_into_id bigint not null) on commit drop;
create temp table own_domains (domain text primary key) on commit drop;
create temp table company_domains (domain text primary key, company_id bigint not null) on commit drop;

-- name: create_moved
create temp table moved_persons (id bigint primary key, into_id bigint not null) on commit drop

-- name: analyze_wanted
analyze wanted_identities, wanted_persons, wanted_merges, own_domains, company_domains

-- name: insert_persons
insert into public.persons (id, name, name_source) overriding system value
select w.id, coalesce(i.name, i.label), 'rule' from wanted_persons w join public.person_identities i on i.id = w.identity_id where w.is_new

-- name: drop_old_anchors
delete from ops.person_anchors a using wanted_persons w
where (w.id = a.person_id or w.identity_id = a.identity_id) and (w.id, w.identity_id) <> (a.person_id, a.identity_id)

-- name: anchor_persons
insert into ops.person_anchors (person_id, identity_id) select id, identity_id from wanted_persons on conflict do nothing

-- name: assign_identities
update public.person_identities i
set person_id = w.person_id, is_shared = w.is_shared
from wanted_identities w
where w.id = i.id and (i.person_id, i.is_shared) is distinct from (w.person_id, w.is_shared)

-- name: release_identities
-- What a person emptied is the rules' again.
update public.person_identities set person_source = 'rule' where person_source = 'person' and person_id is null

-- name: merge_persons
update public.persons p set merged_into_id = w.merged_into_id, merged_into_source = 'rule'
from wanted_merges w
where w.id = p.id and p.merged_into_id is distinct from w.merged_into_id

-- name: unmerge_persons
update public.persons p set merged_into_id = null
where p.merged_into_id is not null and p.merged_into_source = 'rule' and not exists (select from wanted_merges w where w.id = p.id)

-- name: find_moved
-- Who is somebody else now, at the end of the chain. A circle, which two people may have made at the same moment, has no end and moves nothing.
with recursive chain (id, into_id) as (
    select id, merged_into_id from public.persons where merged_into_id is not null
    union
    select c.id, p.merged_into_id from chain c join public.persons p on p.id = c.into_id where p.merged_into_id is not null
)
insert into moved_persons (id, into_id)
select c.id, min(c.into_id) from chain c join public.persons p on p.id = c.into_id where p.merged_into_id is null group by c.id

-- name: move_human_words
-- What people wrote about somebody goes where that person is shown now; once, so that it can be changed there.
with moving as (
    select p.*, m.into_id from moved_persons m join public.persons p on p.id = m.id
    where p.note is not null or p.name_source = 'person' or p.company_source = 'person'
), given as (
    select into_id, string_agg(note, E'\n' order by id) as note, (array_agg(name order by id) filter (where name_source = 'person'))[1] as name,
           (array_agg(company_id order by id) filter (where company_source = 'person'))[1] as company_id
    from moving group by into_id
), taken as (
    update public.persons p set note = null, name_source = 'rule', company_source = 'rule' from moving where moving.id = p.id
)
update public.persons p
set note = nullif(concat_ws(E'\n', p.note, g.note), ''),
    name = case when p.name_source = 'rule' and g.name is not null then g.name else p.name end,
    name_source = case when g.name is not null then 'person' else p.name_source end,
    company_id = case when p.company_source = 'rule' and g.company_id is not null then g.company_id else p.company_id end,
    company_source = case when g.company_id is not null then 'person' else p.company_source end
from given g where g.into_id = p.id

-- name: describe_persons
-- From all identities of each: first what is live, then Teamwork, Missive, cards, mails, the NAS; of equals the oldest.
with ranked as materialized (
    select i.*, array_position(array['teamwork', 'missive_user', 'contact', 'address', 'file_owner'], i.kind) as rank, split_part(i.key, '@', -1) as domain
    from public.person_identities i where i.person_id is not null
), names as (
    select distinct on (person_id) person_id, case when is_shared then key else coalesce(name, label) end as name
    from ranked order by person_id, deleted_at nulls first, name is null, rank, id
), addresses as (
    select distinct on (person_id) person_id, address from (
        select r.person_id, r.deleted_at, r.rank, r.id, coalesce(o.is_shared, false) as is_shared, a.ordinal, a.address
        from ranked r join found_addresses a on (a.kind, a.key) = (r.kind, r.key)
        left join public.person_identities o on o.kind = 'address' and o.key = a.address
        union all
        select person_id, deleted_at, rank, id, is_shared, 0, key from ranked where kind = 'address' and position('@' in key) > 1
    ) as said order by person_id, deleted_at nulls first, is_shared, rank, id, ordinal, address
), phones as (
    select distinct on (r.person_id) r.person_id, i.value as phone
    from ranked r join public.contact_infos i on i.contact_id = r.contact_id and i.kind = 'phone_number' and i.value <> ''
    where r.deleted_at is null order by r.person_id, r.id, i.ordinal
), employers as (
    select distinct on (r.person_id) r.person_id, p.company_id
    from ranked r join public.people p on p.id = r.teamwork_person_id join public.companies c on c.id = p.company_id and c.deleted_at is null
    order by r.person_id, r.deleted_at nulls first, r.id
), summed as (
    select r.person_id, bool_and(r.deleted_at is not null) as is_gone, bool_and(r.is_shared) as is_mailbox,
           bool_or(r.kind = 'missive_user') or coalesce(bool_or(c.is_own), false)
           or (not bool_or(r.kind = 'teamwork') and bool_or(r.kind = 'file_owner' or r.kind = 'address' and d.domain is not null)) as is_colleague
    from ranked r left join public.people p on p.id = r.teamwork_person_id left join public.companies c on c.id = p.company_id
    left join own_domains d on r.kind = 'address' and d.domain = r.domain
    group by r.person_id
), described as (
    select s.person_id, s.is_gone, s.is_colleague, case when s.is_mailbox then 'mailbox' else 'person' end as kind, n.name, a.address, h.phone,
           coalesce(e.company_id, d.company_id) as company_id
    from summed s join names n using (person_id) left join addresses a using (person_id) left join phones h using (person_id)
    left join employers e using (person_id) left join company_domains d on d.domain = split_part(a.address, '@', -1)
)
update public.persons p
set name = case when p.name_source = 'rule' then d.name else p.name end, kind = case when p.kind_source = 'rule' then d.kind else p.kind end,
    company_id = case when p.company_source = 'rule' then d.company_id else p.company_id end,
    email = d.address, phone = d.phone, is_colleague = d.is_colleague, deleted_at = case when d.is_gone then coalesce(p.deleted_at, now()) end
from described d
where d.person_id = p.id
  and (p.email, p.phone, p.is_colleague, p.deleted_at is not null, case when p.name_source = 'rule' then p.name else d.name end,
       case when p.kind_source = 'rule' then p.kind else d.kind end, case when p.company_source = 'rule' then p.company_id else d.company_id end)
      is distinct from (d.address, d.phone, d.is_colleague, d.is_gone, d.name, d.kind, d.company_id)

-- name: retire_persons
-- Of whom no source says anything any more, but people do.
update public.persons p set deleted_at = now(), email = null, phone = null
where p.deleted_at is null and p.merged_into_id is null and (p.name_source = 'rule' or p.email is not null)
  and not exists (select from public.person_identities i where i.person_id = p.id)

-- name: delete_persons
delete from public.persons p
where p.deleted_at is not null and p.merged_into_id is null and p.note is null and 'person' not in (p.name_source, p.kind_source, p.company_source)
  and not exists (select from public.person_identities i where i.person_id = p.id)
  and not exists (select from ops.person_anchors a where a.person_id = p.id)
  and not exists (select from public.persons o where o.merged_into_id = p.id)
  and not exists (select from public.project_participants t where t.person_id = p.id and (t.role is not null or t.note is not null or t.roles = ''))

-- name: count_persons
select count(*) filter (where kind = 'person'), count(*) filter (where kind = 'mailbox') from public.persons where deleted_at is null and merged_into_id is null

-- name: move_participants
-- What people wrote about somebody's part in a project, where that person is somebody else now.
with moving as (
    select t.*, m.into_id from moved_persons m join public.project_participants t on t.person_id = m.id
    where t.role is not null or t.note is not null or t.roles = ''
), taken as (
    update public.project_participants t set role = null, note = null, roles = '-' from moving where moving.id = t.id
)
insert into public.project_participants as t (label, project_id, person_id, role, note)
select p.name, m.project_id, m.into_id, string_agg(distinct m.role, ', '), string_agg(m.note, E'\n' order by m.id)
from moving m join public.persons p on p.id = m.into_id group by p.name, m.project_id, m.into_id
on conflict (project_id, person_id) do update
set role = case when t.role is null or excluded.role is null or t.role = excluded.role then coalesce(t.role, excluded.role)
                else t.role || ', ' || excluded.role end,
    note = nullif(concat_ws(E'\n', t.note, excluded.note), '')

-- name: create_contacts
create temp table contacts_of_projects (
    project_id bigint, person_id bigint, role text, mails bigint, tasks bigint, comments bigint, minutes bigint, files bigint,
    first_at timestamptz, last_at timestamptz
) on commit drop

-- name: contacts_in_teamwork
with part as (
    select t.id, t.project_id, t.created_at, t.completed_at, t.creator_id, t.completer_id from public.tasks t where t.deleted_at is null and t.state <> 'deleted'
), said (project_id, teamwork_person_id, role, task_id, comment_id, minutes, first_at, last_at) as (
    select id, owner_id, 'Projektleitung', null::bigint, null::bigint, 0, null::timestamptz, null::timestamptz from public.projects where owner_id is not null
    union all
    select p.project_id, a.person_id, 'Bearbeitung', p.id, null, 0, p.created_at, coalesce(p.completed_at, p.created_at)
    from part p join public.task_assignees a on a.task_id = p.id where a.person_id is not null
    union all
    select project_id, completer_id, 'Bearbeitung', id, null, 0, completed_at, completed_at from part where completer_id is not null and completed_at is not null
    union all
    select project_id, creator_id, 'Aufgabenstellung', id, null, 0, created_at, created_at from part where creator_id is not null
    union all
    select p.project_id, k.author_id, 'Kommentar', null, k.id, 0, k.created_at, k.created_at
    from public.task_comments k join part p on p.id = k.task_id where k.deleted_at is null and k.author_id is not null
    union all
    select coalesce(e.project_id, p.project_id), e.person_id, 'Zeiterfassung', null, null, e.minutes, e.spent_at, e.spent_at
    from public.time_entries e left join part p on p.id = e.task_id
    where e.deleted_at is null and e.person_id is not null and (e.task_id is null or p.id is not null)
)
insert into contacts_of_projects
select s.project_id, i.person_id, s.role, 0, 0, count(distinct s.comment_id), sum(s.minutes), 0, min(s.first_at), max(s.last_at)
from said s join public.person_identities i on i.teamwork_person_id = s.teamwork_person_id
where s.project_id is not null and i.person_id is not null group by s.project_id, i.person_id, s.role
union all
-- A task counts once, whatever somebody had to do with it.
select s.project_id, i.person_id, null, 0, count(distinct s.task_id), 0, 0, 0, null, null
from said s join public.person_identities i on i.teamwork_person_id = s.teamwork_person_id
where s.project_id is not null and i.person_id is not null and s.task_id is not null group by s.project_id, i.person_id

-- name: contacts_in_missive
with filed as materialized (
    select v.project_id, v.conversation_id
    from public.conversation_projects v join public.conversations c on c.id = v.conversation_id
    where c.deleted_at is null and c.state <> 'junked'
), mails as materialized (
    select e.id, e.conversation_id, e.from_address, coalesce(e.delivered_at, e.created_at) as at
    from public.emails e where e.deleted_at is null and e.conversation_id in (select conversation_id from filed)
), known as materialized (
    select s.address, i.person_id
    from (select distinct address, key from said_addresses) s
    join public.person_identities i on i.kind = 'address' and i.key = s.key and i.person_id is not null
), parties as (
    select m.id, m.conversation_id, m.at, k.person_id from mails m join known k on k.address = m.from_address
    union  -- a mail counts once, with however many addresses somebody stands on it
    select m.id, m.conversation_id, m.at, k.person_id
    from mails m join public.email_recipients r on r.email_id = m.id join known k on k.address = r.address
), by_conversation as (
    select conversation_id, person_id, count(*) as mails, min(at) as first_at, max(at) as last_at from parties group by conversation_id, person_id
), comments as (
    select k.conversation_id, coalesce(u.person_id, a.person_id) as person_id, count(*) as comments, min(k.created_at) as first_at, max(k.created_at) as last_at
    from public.email_comments k
    left join public.person_identities u on u.missive_user_id = k.author_id
    left join known a on a.address = k.author_email
    where k.deleted_at is null and k.conversation_id in (select conversation_id from filed)
    group by k.conversation_id, coalesce(u.person_id, a.person_id)
)
insert into contacts_of_projects
select f.project_id, b.person_id, 'Mail', sum(b.mails), 0, 0, 0, 0, min(b.first_at), max(b.last_at)
from by_conversation b join filed f using (conversation_id) group by f.project_id, b.person_id
union all
select f.project_id, c.person_id, 'Kommentar', 0, 0, sum(c.comments), 0, 0, min(c.first_at), max(c.last_at)
from comments c join filed f using (conversation_id) where c.person_id is not null group by f.project_id, c.person_id

-- name: contacts_on_nas
-- By the time of the change, as far as it can be true: not after the platform saw it, not before there were such files.
insert into contacts_of_projects
select f.project_id, i.person_id, 'Dateien', 0, 0, 0, 0, count(*), min(t.at), max(t.at)
from public.files f
join public.person_identities i on i.kind = 'file_owner' and i.key = lower(btrim(normalize(regexp_replace(f.created_by, '^.*\\', ''), nfc)))
cross join lateral (
    select case when f.modified_at >= '1990-01-01' then least(f.modified_at, greatest(f.first_seen_at, f.content_changed_at)) end as at
) as t
where f.deleted_at is null and f.project_id is not null and i.person_id is not null
group by f.project_id, i.person_id

-- name: create_participants
create temp table wanted_participants on commit drop as
with contacts as (
    select project_id, person_id, coalesce(array_agg(distinct role) filter (where role is not null), '{}') as roles,
           sum(mails)::integer as mails, sum(tasks)::integer as tasks, sum(comments)::integer as comments, sum(minutes)::integer as minutes,
           sum(files)::integer as files, min(first_at) as first_contact_at, max(last_at) as last_contact_at
    from contacts_of_projects group by project_id, person_id
)
select c.project_id, c.person_id, p.name as label,
       concat_ws(', ', case when 'Projektleitung' = any(c.roles) then 'Projektleitung' end, case when o.id is not null then 'Bauherr' end,
                 case when 'Bearbeitung' = any(c.roles) then 'Bearbeitung' end, case when 'Aufgabenstellung' = any(c.roles) then 'Aufgabenstellung' end,
                 case when 'Zeiterfassung' = any(c.roles) then 'Zeiterfassung' end, case when 'Kommentar' = any(c.roles) then 'Kommentar' end,
                 case when 'Mail' = any(c.roles) then 'Mail' end, case when 'Dateien' = any(c.roles) then 'Dateien' end,
                 case when p.kind = 'mailbox' then 'Sammeladresse' end) as roles,
       c.mails, c.tasks, c.comments, c.minutes, c.files, c.first_contact_at, c.last_contact_at
from contacts c join public.persons p on p.id = c.person_id join public.projects j on j.id = c.project_id and j.deleted_at is null
left join public.companies o on o.id = j.company_id and o.id = p.company_id and not o.is_own

-- name: delete_participants
-- Not where people wrote something, or entered the participant themselves.
with gone as materialized (
    select t.id, t.role is not null or t.note is not null or t.roles = '' as stays from public.project_participants t
    where not exists (select from wanted_participants w where (w.project_id, w.person_id) = (t.project_id, t.person_id))
), emptied as (
    update public.project_participants t
    set roles = '', mails = 0, tasks = 0, comments = 0, minutes = 0, files = 0, first_contact_at = null, last_contact_at = null
    from gone where gone.id = t.id and gone.stays and t.roles <> ''
)
delete from public.project_participants t using gone where gone.id = t.id and not gone.stays

-- name: upsert_participants
insert into public.project_participants as t
    (label, project_id, person_id, roles, mails, tasks, comments, minutes, files, first_contact_at, last_contact_at)
select w.label, w.project_id, w.person_id, w.roles, w.mails, w.tasks, w.comments, w.minutes, w.files, w.first_contact_at, w.last_contact_at
from wanted_participants w
left join public.project_participants o using (project_id, person_id)
where (w.label, w.roles, w.mails, w.tasks, w.comments, w.minutes, w.files, w.first_contact_at, w.last_contact_at)
      is distinct from (o.label, o.roles, o.mails, o.tasks, o.comments, o.minutes, o.files, o.first_contact_at, o.last_contact_at)
order by w.project_id, w.person_id
on conflict (project_id, person_id) do update
set label = excluded.label, roles = excluded.roles, mails = excluded.mails, tasks = excluded.tasks, comments = excluded.comments, minutes = excluded.minutes,
    files = excluded.files, first_contact_at = excluded.first_contact_at, last_contact_at = excluded.last_contact_at

-- name: relabel_participants
-- Those that people entered carry the name, too.
update public.project_participants t set label = p.name from public.persons p where p.id = t.person_id and t.label <> p.name

-- name: count_participants
select count(*) from public.project_participants

-- name: identities_of_forgotten
-- What is to go of some addresses, and whose it is: the persons, and those who were merged with them.
with recursive doomed as (
    select i.id, i.person_id, a.person_id as anchored_id
    from public.person_identities i left join ops.person_anchors a on a.identity_id = i.id
    where (i.kind = 'address' and i.key = any(%(addresses)s::text[]))
       or (i.kind = 'missive_user' and i.key = any(%(users)s::text[]))
       or (i.kind = 'contact' and i.key = any(%(contacts)s::text[]))
       or i.teamwork_person_id in (select id from public.people where email = any(%(addresses)s::text[]))
), together (id) as (
    select person_id from doomed where person_id is not null
    union
    select anchored_id from doomed where anchored_id is not null
    union
    select case when p.id = t.id then p.merged_into_id else p.id end
    from together t join public.persons p on p.merged_into_id = t.id or p.id = t.id and p.merged_into_id is not null
)
select array(select id from doomed order by 1), array(select id from together order by 1)

-- name: delete_identities_of_forgotten
delete from public.person_identities where id = any(%(identities)s::bigint[])

-- name: release_identities_of_forgotten
-- What is left of them is made a person anew by the next merging, without anything that people wrote.
update public.person_identities set person_id = null, person_source = 'rule' where person_id = any(%(persons)s::bigint[])

-- name: delete_forgotten_persons
delete from public.persons where id = any(%(persons)s::bigint[])
