-- The scan. It works in temporary tables of its own connection and brings public.files in line with them, a chunk at a time.

-- name: lock_share
select pg_advisory_lock(%(share)s::integer, 0)

-- name: lock_share_shared
select pg_advisory_lock_shared(%(share)s::integer, 0)

-- name: lock_folder
select pg_advisory_lock(%(folders)s::integer, hashtext(%(folder)s))

-- name: lock_deletions
select pg_advisory_xact_lock(727005, 0)

-- name: close_abandoned_scans
-- Whoever holds the locks knows that no other scan of this scope is alive; but one that reads old files again has let go of these locks and holds others
-- (nas/locks.py). While any such is alive, none of that phase is called dead.
update ops.scans
set state = 'failed', finished_at = now(), error = 'The scan ended without a word (killed, or the machine stopped).'
where state = 'running' and id <> %(scan_id)s
  and (%(folders)s::text[] is null or folders && %(folders)s::text[])
  and (phase <> 'verify' or (select pg_try_advisory_xact_lock(%(verifying)s::integer, 0)))

-- name: start_scan
insert into ops.scans (folders, deep, paths) values (%(folders)s, %(deep)s, %(paths)s) returning id

-- name: update_progress
update ops.scans
set phase = %(phase)s, files_seen = %(files_seen)s, files_to_hash = %(files_to_hash)s, files_hashed = %(files_hashed)s,
    bytes_to_hash = %(bytes_to_hash)s, bytes_hashed = %(bytes_hashed)s
where id = %(scan_id)s

-- name: finish_scan
update ops.scans
set state = %(state)s, phase = 'done', finished_at = now(), report = %(report)s, error = %(error)s, deletions_refused = %(deletions_refused)s
where id = %(scan_id)s

-- name: fingerprints
-- One digest per directory, over what the scanner knows of it; the walk computes the same over what it sees (nas/snapshot.py).
-- An unread file has no mtime, its row drops out of the digest, and so its directory always differs.
select directory_key,
       md5(convert_to(folder, 'UTF8') || '\x2f'::bytea
           || string_agg(int8send(size_bytes) || int8send(mtime_ns) || int8send(inode) || raw_name || '\x2f'::bytea, ''::bytea order by raw_name))
from ops.disk_entries
where live and (%(folders)s::text[] is null or folder = any(%(folders)s))
group by directory_key, folder

-- name: create_working_tables
create temp table seen (
    ord bigint not null, directory_key bigint not null, raw_directory bytea not null, raw_name bytea not null, raw_path bytea not null,
    folder text not null, path text not null, name text not null, extension text not null, nas_url text not null, owner text,
    size_bytes bigint not null, mtime_ns bigint not null, inode bigint not null
);
create temp table touched (directory_key bigint not null);
create temp table looked_at (directory_key bigint not null, raw_directory bytea not null, raw_name bytea);
create temp table unreadable (raw_path bytea not null);
create temp table moves (
    file_id bigint not null unique, ord bigint not null unique, fresh boolean not null, known_path bytea not null, was_deleted boolean not null
);
create temp table candidates (
    file_id bigint not null, ord bigint not null, same_name boolean not null, known_path bytea not null, was_deleted boolean not null
);
create temp table hashed (
    ord bigint not null, sha256 text, size_bytes bigint not null, mtime_ns bigint, inode bigint not null, birth_ns bigint
);
create temp table placed (
    file_id bigint, kind text not null, fresh boolean not null, ord bigint not null, directory_key bigint not null, raw_directory bytea not null,
    raw_name bytea not null, raw_path bytea not null, folder text not null, path text not null, name text not null, extension text not null,
    nas_url text not null, owner text, modified_ns bigint not null, sha256 text, size_bytes bigint not null, mtime_ns bigint, inode bigint,
    birth_ns bigint, known_path bytea, was_deleted boolean not null
)

-- name: index_seen
create index on seen (ord);
create index on seen (directory_key);
create index on seen (inode, size_bytes, mtime_ns);
analyze seen

-- name: known_folders_below
-- Project folders below a level above them: those that the tables know.
select folder
from (select folder from ops.folders union select distinct folder from public.files where deleted_at is null) as known
where exists (select from unnest(%(levels)s::text[]) l (level) where starts_with(folder, l.level))

-- name: present_folders
select folder from ops.folders where present and folder = any(%(folders)s)

-- name: known_files_at
select f.raw_path from unnest(%(raw_paths)s::bytea[]) l (raw_path) join public.files f on sha256(f.raw_path) = sha256(l.raw_path) and f.deleted_at is null

-- name: known_directories
-- Directories with live files in some project folders.
select distinct d.raw_directory
from public.files f join ops.disk_entries d on d.file_id = f.id
where f.deleted_at is null and f.folder = any(%(folders)s)

-- name: find_known_at
-- What the tables hold of the paths that were looked at: single files, and all files directly in a directory.
create temp table known as
select distinct on (d.file_id)
       d.file_id, d.directory_key, d.raw_directory, d.raw_name, d.folder, d.size_bytes, d.mtime_ns, d.inode, d.birth_ns, f.content_hash, f.raw_path
from looked_at l
join ops.disk_entries d on d.directory_key = l.directory_key and d.raw_directory = l.raw_directory and (l.raw_name is null or l.raw_name = d.raw_name)
join public.files f on f.id = d.file_id
where d.live

-- name: find_known
-- What the tables hold of the directories that differ.
create temp table known as
select d.file_id, d.directory_key, d.raw_directory, d.raw_name, d.folder, d.size_bytes, d.mtime_ns, d.inode, d.birth_ns, f.content_hash, f.raw_path
from ops.disk_entries d join public.files f on f.id = d.file_id
where d.live and d.directory_key in (select directory_key from touched)
  and (%(folders)s::text[] is null or d.folder = any(%(folders)s))

-- name: index_known
create index on known (file_id);
create index on known (inode, size_bytes, mtime_ns);
analyze known

-- name: pair_by_path
create temp table path_pairs as
select k.file_id, s.ord, k.folder = s.folder as same_folder,
       (k.size_bytes = s.size_bytes and k.mtime_ns = s.mtime_ns and k.inode = s.inode) is true as same_stat
from known k join seen s using (directory_key, raw_directory, raw_name)

-- name: break_crossed_pairs
-- Files that swapped names, or moved up a chain of names: the inode under this name is another known file, and the file that had the name is seen under
-- another one. Both halves must be explained: a program that saves by "rename to .bak, write anew" keeps the file's identity with its name.
create temp table crossed_pairs as
with strong as (
    select k.file_id, s.ord from known k join seen s using (inode, size_bytes, mtime_ns)
), crossed as (
    delete from path_pairs p
    where not p.same_stat
      and exists (select from strong x where x.ord = p.ord and x.file_id <> p.file_id)
      and exists (select from strong x where x.file_id = p.file_id and x.ord <> p.ord)
    returning p.*
)
select * from crossed

-- name: index_path_pairs
create index on path_pairs (file_id);
create index on path_pairs (ord);
analyze path_pairs

-- name: find_vanished
-- Known, not seen, and not below anything that could not be read.
create temp table vanished as
select k.* from known k
where not exists (select from path_pairs p where p.file_id = k.file_id)
  and not exists (
      select from unreadable u
      where k.raw_directory = u.raw_path
         or substring(k.raw_directory from 1 for length(u.raw_path) + 1) = u.raw_path || '\x2f'::bytea
         or k.raw_path = u.raw_path
         or length(u.raw_path) = 0
  )

-- name: find_appeared
create temp table appeared as
select s.ord from seen s where not exists (select from path_pairs p where p.ord = s.ord)

-- name: index_changes
create index on vanished (file_id);
create index on vanished (inode, size_bytes, mtime_ns);
create index on vanished (content_hash);
create index on appeared (ord);
analyze vanished;
analyze appeared

-- name: clear_candidates
truncate candidates

-- name: candidates_by_inode
-- The same inode with the same size and time is the same file, wherever it stands now. The device number is left out: it changes with every mount.
insert into candidates
select v.file_id, s.ord, v.raw_name = s.raw_name, v.raw_path, false
from vanished v join seen s using (inode, size_bytes, mtime_ns) join appeared a using (ord)

-- name: candidates_among_deleted
insert into candidates
select d.file_id, s.ord, d.raw_name = s.raw_name, f.raw_path, true
from ops.disk_entries d join seen s using (inode, size_bytes, mtime_ns) join appeared a using (ord) join public.files f on f.id = d.file_id
where not d.live

-- name: possible_candidates_elsewhere
-- Live files outside what this scan compares whose inode appeared here: moved in, or only linked? The disk must be asked.
select d.file_id, s.ord, f.raw_path
from ops.disk_entries d join seen s using (inode, size_bytes, mtime_ns) join appeared a using (ord) join public.files f on f.id = d.file_id
where d.live and not exists (select from known k where k.file_id = d.file_id)

-- name: candidates_by_birth
-- Renamed and edited: content and time differ, but inode and birth time are the same. Without the birth time a reused inode number would look like that too.
insert into candidates
select v.file_id, h.ord, false, v.raw_path, false
from vanished v join hashed h on h.inode = v.inode and h.birth_ns = v.birth_ns

-- name: candidates_by_content
-- Not where the path has held this very content before: then it is that file, restored.
insert into candidates
select v.file_id, h.ord, v.raw_name = s.raw_name, v.raw_path, false
from vanished v join hashed h on h.sha256 = v.content_hash join seen s using (ord)
where h.size_bytes > 0
  and not exists (
      select from public.files f
      where f.deleted_at is not null and sha256(f.raw_path) = sha256(s.raw_path) and f.content_hash = h.sha256
  )

-- name: take_unambiguous
-- Only pairs that leave no choice; first among those that also kept their name, then among all.
insert into moves
select file_id, ord, %(fresh)s, known_path, was_deleted
from (
    select c.*, count(*) over (partition by c.file_id) as per_file, count(*) over (partition by c.ord) as per_entry
    from candidates c
    where (c.same_name or not %(same_name)s)
      and not exists (select from moves m where m.file_id = c.file_id)
      and not exists (select from moves m where m.ord = c.ord)
) as c
where per_file = 1 and per_entry = 1

-- name: restore_unexplained_pairs
-- A crossed pair of which one half found no partner: the file keeps its name after all.
with unexplained as (
    delete from crossed_pairs c
    where not exists (select from moves m where m.file_id = c.file_id) or not exists (select from moves m where m.ord = c.ord)
    returning c.*
), kept as (
    insert into path_pairs select * from unexplained
), no_moves as (
    delete from moves m using unexplained u where m.file_id = u.file_id or m.ord = u.ord
), not_vanished as (
    delete from vanished v using unexplained u where v.file_id = u.file_id
), not_appeared as (
    delete from appeared a using unexplained u where a.ord = u.ord
)
select count(*) from unexplained

-- name: clear_placed
truncate placed

-- name: place_moved
insert into placed
select m.file_id, case when f.deleted_at is null then 'moved' else 'restored' end, m.fresh, s.ord, s.directory_key, s.raw_directory, s.raw_name, s.raw_path,
       s.folder, s.path, s.name, s.extension, s.nas_url, s.owner, coalesce(h.mtime_ns, s.mtime_ns),
       coalesce(h.sha256, f.content_hash), coalesce(h.size_bytes, s.size_bytes), coalesce(h.mtime_ns, s.mtime_ns),
       coalesce(h.inode, s.inode), coalesce(h.birth_ns, d.birth_ns), m.known_path, m.was_deleted
from moves m join seen s using (ord) join public.files f on f.id = m.file_id join ops.disk_entries d on d.file_id = m.file_id
left join hashed h on h.ord = m.ord
where m.fresh = %(fresh)s

-- name: place_refoldered
-- Nothing about the file changed, but the project folder it counts to did (another folder depth).
insert into placed
select p.file_id, 'touched', false, s.ord, s.directory_key, s.raw_directory, s.raw_name, s.raw_path,
       s.folder, s.path, s.name, s.extension, s.nas_url, s.owner, s.mtime_ns, f.content_hash, s.size_bytes, s.mtime_ns, s.inode, d.birth_ns,
       s.raw_path, false
from path_pairs p join seen s using (ord) join public.files f on f.id = p.file_id join ops.disk_entries d on d.file_id = p.file_id
where p.same_stat and not p.same_folder

-- name: place_hashed
-- The files of this chunk: known ones by their path, the others new, or an old one of the same path that is seen again.
insert into placed
select coalesce(p.file_id, r.id, nextval(pg_get_serial_sequence('public.files', 'id'))),
       case when p.file_id is not null then 'changed' when r.id is not null then 'restored' else 'new' end, true,
       s.ord, s.directory_key, s.raw_directory, s.raw_name, s.raw_path, s.folder, s.path, s.name, s.extension, s.nas_url, s.owner,
       coalesce(h.mtime_ns, s.mtime_ns), h.sha256, h.size_bytes, h.mtime_ns, h.inode, h.birth_ns,
       case when p.file_id is not null or r.id is not null then s.raw_path end, p.file_id is null and r.id is not null
from hashed h join seen s using (ord)
left join path_pairs p using (ord)
left join lateral (
    select f.id from public.files f
    where p.file_id is null and f.deleted_at is not null and sha256(f.raw_path) = sha256(s.raw_path)
      and not exists (select from moves m where m.file_id = f.id)
    order by f.deleted_at desc, f.id desc limit 1
) r on true
where not exists (select from moves m where m.ord = h.ord)

-- name: drop_overtaken
-- Locks hold scans of the same folder apart, but a file may come from another folder, and that one's scan may have moved it on since we compared. Its row
-- belongs to whoever came first; we leave it alone and look again. Rows are locked in one order, so that two scans never wait in a circle.
with rows_now as (
    select f.id, f.raw_path, f.deleted_at
    from public.files f
    where f.id in (select file_id from placed where known_path is not null)
    order by f.id
    for update
)
delete from placed p using rows_now n
where n.id = p.file_id and (n.raw_path <> p.known_path or (p.was_deleted and n.deleted_at is null))

-- name: insert_contents
-- In the order of the key, so that two scans that meet the same contents wait for each other instead of deadlocking.
insert into public.contents (hash, size_bytes)
select distinct on (sha256) sha256, size_bytes from placed where sha256 is not null order by sha256
on conflict (hash) do nothing

-- name: tell_touched_from_changed
update placed p set kind = 'touched'
from public.files f
where p.kind = 'changed' and f.id = p.file_id and f.content_hash = p.sha256

-- name: vacate_paths
-- Files that swap names would meet under one name half way; each unique-index entry is checked at once, so the old names are given up first.
update public.files f set deleted_at = now()
from placed p
where f.deleted_at is null and sha256(f.raw_path) = sha256(p.raw_path) and f.id <> p.file_id
  and f.id in (select file_id from placed where kind in ('moved', 'restored'))

-- name: update_files
update public.files f
set name = p.name, path = p.path, raw_path = p.raw_path, extension = p.extension, folder = p.folder, nas_url = p.nas_url, created_by = p.owner,
    size_bytes = p.size_bytes,
    modified_at = to_timestamp(0) + p.modified_ns / 1000 * interval '1 microsecond',
    last_seen_at = now(),
    deleted_at = null,
    thumbnail = case when f.content_hash is not distinct from p.sha256 then f.thumbnail end,
    download_url = case when f.content_hash is not distinct from p.sha256 then f.download_url end,
    content_changed_at = case when f.content_hash is not distinct from p.sha256 then f.content_changed_at else now() end,
    content_hash = p.sha256
from placed p
where f.id = p.file_id

-- name: insert_files
insert into public.files (id, name, path, raw_path, extension, folder, size_bytes, modified_at, created_by, content_hash, content_changed_at, nas_url)
overriding system value
select file_id, name, path, raw_path, extension, folder, size_bytes, to_timestamp(0) + modified_ns / 1000 * interval '1 microsecond', owner, sha256,
       case when sha256 is not null then now() end, nas_url
from placed where kind = 'new'

-- name: upsert_disk_entries
insert into ops.disk_entries as d (file_id, live, folder, directory_key, raw_directory, raw_name, size_bytes, mtime_ns, inode, birth_ns, verified_at)
select file_id, true, folder, directory_key, raw_directory, raw_name, size_bytes, mtime_ns, inode, birth_ns,
       case when fresh and sha256 is not null then now() end
from placed
on conflict (file_id) do update
set live = true, folder = excluded.folder, directory_key = excluded.directory_key, raw_directory = excluded.raw_directory, raw_name = excluded.raw_name,
    size_bytes = excluded.size_bytes, mtime_ns = excluded.mtime_ns, inode = excluded.inode, birth_ns = excluded.birth_ns,
    verified_at = coalesce(excluded.verified_at, d.verified_at)

-- name: insert_first_versions
-- New files have no version to close: a plain insert, which the first scan of a share consists of.
insert into public.file_versions (file_id, path, raw_path, content_hash, size_bytes, mtime_ns, valid_from)
select file_id, path, raw_path, sha256, size_bytes, mtime_ns, now() from placed where kind = 'new'

-- name: close_versions
-- `greatest`: a clock that was set back must not make a version end before it began.
update public.file_versions v set valid_to = greatest(now(), v.valid_from)
from public.files f join ops.disk_entries d on d.file_id = f.id
where f.id = any(%(file_ids)s) and v.file_id = f.id and v.valid_to is null
  and (f.deleted_at is not null or v.raw_path <> f.raw_path or v.content_hash is distinct from f.content_hash or v.mtime_ns is distinct from d.mtime_ns)

-- name: open_versions
insert into public.file_versions (file_id, path, raw_path, content_hash, size_bytes, mtime_ns, valid_from)
select f.id, f.path, f.raw_path, f.content_hash, f.size_bytes, d.mtime_ns, now()
from public.files f join ops.disk_entries d on d.file_id = f.id
where f.id = any(%(file_ids)s) and f.deleted_at is null
  and not exists (select from public.file_versions v where v.file_id = f.id and v.valid_to is null)

-- name: heal_bit_rot
-- A file that was read whole again, with new content or with the right one, is no longer in doubt.
update ops.bit_rot b set healed_at = now()
from placed p
where b.healed_at is null and b.file_id = p.file_id and p.fresh and p.sha256 is not null

-- name: placed_counts
select folder, kind, count(*), coalesce(sum(size_bytes) filter (where fresh and sha256 is not null), 0)::bigint from placed group by folder, kind

-- name: placed_contents
-- What there is to derive from, each content once.
select distinct on (sha256) sha256, path, folder, size_bytes from placed where sha256 is not null and kind <> 'touched' order by sha256, path

-- name: placed_folders
select folder, sum(size_bytes)::bigint from placed where sha256 is not null and kind <> 'touched' group by folder

-- name: placed_known_ids
select coalesce(array_agg(file_id), '{}') from placed where kind <> 'new'

-- name: create_work
-- What must be read: changed files, and what appeared without a known file that has moved there. A candidate may yet turn out to be a moved file.
create temp table work as
select s.ord, s.raw_path, s.size_bytes, p.file_id, false as candidate
from path_pairs p join seen s using (ord) where not p.same_stat
union all
select s.ord, s.raw_path, s.size_bytes, null,
       exists (select from vanished v where v.size_bytes = s.size_bytes and v.size_bytes > 0 and v.content_hash is not null)
       or exists (select from vanished v where v.inode = s.inode)
from appeared a join seen s using (ord) where not exists (select from moves m where m.ord = a.ord)

-- name: index_work
create index on work (ord);
analyze work

-- name: work_totals
select count(*), coalesce(sum(size_bytes), 0)::bigint, count(*) filter (where candidate) from work

-- name: unhashed_candidates
select w.ord, w.raw_path, w.size_bytes, s.folder
from work w join seen s using (ord)
left join ops.hashed_candidates c
    on c.raw_path_digest = sha256(w.raw_path) and c.size_bytes = s.size_bytes and c.mtime_ns = s.mtime_ns and c.inode = s.inode
where w.candidate and c.hash is null and w.ord > %(after)s
order by w.ord limit %(limit)s

-- name: keep_candidate_hash
insert into ops.hashed_candidates (raw_path_digest, size_bytes, mtime_ns, inode, birth_ns, hash)
values (sha256(%(raw_path)s), %(size)s, %(mtime_ns)s, %(inode)s, %(birth_ns)s, %(sha256)s)
on conflict (raw_path_digest) do update
set size_bytes = excluded.size_bytes, mtime_ns = excluded.mtime_ns, inode = excluded.inode, birth_ns = excluded.birth_ns, hash = excluded.hash,
    hashed_at = now()

-- name: collect_candidate_hashes
insert into hashed (ord, sha256, size_bytes, mtime_ns, inode, birth_ns)
select w.ord, c.hash, c.size_bytes, c.mtime_ns, c.inode, c.birth_ns
from work w join seen s using (ord)
join ops.hashed_candidates c
    on c.raw_path_digest = sha256(w.raw_path) and c.size_bytes = s.size_bytes and c.mtime_ns = s.mtime_ns and c.inode = s.inode
where w.candidate

-- name: forget_candidate_hashes
-- Those of this scan, and what a scan that never came back to these files left behind.
with stale as (delete from ops.hashed_candidates where hashed_at < now() - interval '30 days')
delete from ops.hashed_candidates c using work w where w.candidate and c.raw_path_digest = sha256(w.raw_path)

-- name: drop_done_work
delete from work w using hashed h where h.ord = w.ord

-- name: clear_hashed
truncate hashed

-- name: next_work
select w.ord, w.raw_path, w.size_bytes, s.folder, w.file_id
from work w join seen s using (ord)
where w.ord > %(after)s
order by w.ord limit %(limit)s

-- name: vanished_for_good
select v.file_id, v.folder, f.path, f.raw_path
from vanished v join public.files f on f.id = v.file_id
where v.folder = any(%(complete_folders)s) and f.deleted_at is null
  and not exists (select from moves m where m.file_id = v.file_id)
order by f.path

-- name: count_live_files
select count(*) from ops.disk_entries where live

-- name: count_recent_deletions
-- Many small scans in a row must not delete what one scan would have refused. What an operator confirmed does not count.
select count(*) from public.files f
where f.deleted_at > now() - interval '1 hour'
  and not exists (
      select from ops.refused_deletions r join ops.scans s on s.id = r.scan_id
      where r.file_id = f.id and s.confirmed_at is not null
  )

-- name: confirmed_deletions
select r.file_id from ops.refused_deletions r join ops.scans s on s.id = r.scan_id where s.id = %(scan_id)s and s.confirmed_at is null

-- name: use_confirmation
update ops.scans set confirmed_at = now() where id = %(scan_id)s and confirmed_at is null and deletions_refused > 0 returning id

-- name: mark_deleted
-- Only where the file still stands in the tables: the scan of another folder may have found it there meanwhile, and it lives.
update public.files f set deleted_at = now()
from vanished v
where f.id = any(%(file_ids)s) and v.file_id = f.id and f.deleted_at is null and f.raw_path = v.raw_path
returning f.id, f.folder

-- name: mark_entries_gone
update ops.disk_entries set live = false where file_id = any(%(file_ids)s)

-- name: refuse_deletions
insert into ops.refused_deletions (scan_id, file_id) select %(scan_id)s, unnest(%(file_ids)s::bigint[])

-- name: store_problem
insert into ops.path_problems as p (raw_path_digest, raw_path, path, folder, kind, reason, scan_id)
values (sha256(%(raw_path)s), %(raw_path)s, %(path)s, %(folder)s, %(kind)s, %(reason)s, %(scan_id)s)
on conflict (raw_path_digest) do update
set folder = excluded.folder, kind = excluded.kind, reason = excluded.reason, scan_id = excluded.scan_id
where (p.folder, p.kind, p.reason) is distinct from (excluded.folder, excluded.kind, excluded.reason)

-- name: clear_solved_problems
delete from ops.path_problems p
where (%(folders)s::text[] is null or p.folder = any(%(folders)s)) and not p.raw_path_digest = any(%(standing)s::bytea[])

-- name: clear_solved_problems_at
-- Of the paths that were looked at: deep ones with all that is below them, directories with the files directly in them.
delete from ops.path_problems p
using unnest(%(raw_paths)s::bytea[], %(deep)s::boolean[]) l (raw_path, deep),
      lateral (select case when length(l.raw_path) = 0 then l.raw_path else l.raw_path || '\x2f'::bytea end as prefix) x
where not p.raw_path_digest = any(%(standing)s::bytea[])
  and (p.raw_path = l.raw_path
       or (substring(p.raw_path from 1 for length(x.prefix)) = x.prefix
           and (l.deep or (p.kind <> 'unreadable_directory' and position('\x2f'::bytea in substring(p.raw_path from length(x.prefix) + 1)) = 0))))

-- name: record_seen_folders
-- A look at parts of a folder says whether it is there, and nothing about when it was last scanned.
insert into ops.folders as f (folder, raw_folder, present)
select folder, raw_folder, true from unnest(%(folders)s::text[], %(raw_folders)s::bytea[]) as n (folder, raw_folder)
on conflict (folder) do update set present = true, raw_folder = coalesce(excluded.raw_folder, f.raw_folder)
where not f.present

-- name: record_gone_folders
update ops.folders set present = false where folder = any(%(folders)s) and present

-- name: record_folders
insert into ops.folders as f (folder, raw_folder, present, last_scan_at, last_complete_scan_at, last_scan_id)
select folder, raw_folder, present, now(), case when complete then now() end, %(scan_id)s
from unnest(%(folders)s::text[], %(raw_folders)s::bytea[], %(present)s::boolean[], %(complete)s::boolean[]) as n (folder, raw_folder, present, complete)
on conflict (folder) do update
set raw_folder = coalesce(excluded.raw_folder, f.raw_folder), present = excluded.present, last_scan_at = excluded.last_scan_at,
    last_complete_scan_at = coalesce(excluded.last_complete_scan_at, f.last_complete_scan_at), last_scan_id = excluded.last_scan_id

-- name: known_folders
-- Folders that have live files or were on the disk at the last scan, and are in the scope of this one.
select folder from ops.folders where present and (%(folders)s::text[] is null or folder = any(%(folders)s))
union
select distinct folder from ops.disk_entries where live and (%(folders)s::text[] is null or folder = any(%(folders)s))

-- name: due_for_verification
-- The thirtieth of the files whose last reading is oldest: with a deep scan a day each file is read once in 30 days. What was read today is not due again.
select d.file_id, f.raw_path, d.folder, d.size_bytes, d.mtime_ns, d.inode, f.content_hash, f.path
from ops.disk_entries d join public.files f on f.id = d.file_id
where d.live and d.mtime_ns is not null and f.content_hash is not null
  and d.verified_at < now() - interval '20 hours'
  and (%(folders)s::text[] is null or d.folder = any(%(folders)s))
order by d.verified_at
limit (
    select ceil(count(*) / 30.0) from ops.disk_entries where live and (%(folders)s::text[] is null or folder = any(%(folders)s))
)

-- name: still_as_due
-- Of the files that were read again: those of which the tables still say what they said when they were chosen. Locked, so that a live scan that is about to
-- store a change waits for our word, and we for its; each of them locks the row of the file first.
select d.file_id
from ops.disk_entries d join public.files f on f.id = d.file_id
join unnest(%(file_id)s::bigint[], %(raw_path)s::bytea[], %(size)s::bigint[], %(mtime_ns)s::bigint[], %(inode)s::bigint[], %(content_hash)s::text[])
    as n (file_id, raw_path, size_bytes, mtime_ns, inode, content_hash) on n.file_id = d.file_id
where d.live
  and (f.raw_path, d.size_bytes, d.mtime_ns, d.inode, f.content_hash) = (n.raw_path, n.size_bytes, n.mtime_ns, n.inode, n.content_hash)
order by f.id
for update of f

-- name: mark_verified
update ops.disk_entries set verified_at = now() where file_id = any(%(file_ids)s)

-- name: heal_verified_bit_rot
update ops.bit_rot set healed_at = now() where healed_at is null and file_id = any(%(file_ids)s)

-- name: record_bit_rot
insert into ops.bit_rot (file_id, path, expected_hash, found_hash, scan_id)
values (%(file_id)s, %(path)s, %(expected)s, %(found)s, %(scan_id)s)
on conflict (file_id) where healed_at is null do nothing
