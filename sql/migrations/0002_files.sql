-- NAS files: content, file, version (design section 3), and what the scanner keeps for itself.

create table public.contents (
    hash text primary key check (hash ~ '^[0-9a-f]{64}$'),  -- SHA-256 as hex: the content IS its hash, a typo must not become one
    size_bytes bigint not null check (size_bytes >= 0),
    media_type text,
    page_count integer check (page_count >= 0),
    pixel_width integer check (pixel_width > 0),
    pixel_height integer check (pixel_height > 0),
    author text,
    title text,
    language text,
    text_chars bigint check (text_chars >= 0),
    first_seen_at timestamptz not null default now()
);
comment on table public.contents is 'One row per distinct content (same bytes = same row), however many files and attachments carry it';
comment on column public.contents.hash is 'SHA-256 of the bytes, as hex';
comment on column public.contents.size_bytes is 'Size in bytes';
comment on column public.contents.media_type is 'What the content is, found by looking into it (not by its name)';
comment on column public.contents.page_count is 'Pages of a PDF or of a multi-page image';
comment on column public.contents.pixel_width is 'Width of an image in pixels, upright';
comment on column public.contents.pixel_height is 'Height of an image in pixels, upright';
comment on column public.contents.author is 'Author as the file itself says';
comment on column public.contents.title is 'Title as the file itself says';
comment on column public.contents.language is 'Language of the text';
comment on column public.contents.text_chars is 'Characters of extracted text';
comment on column public.contents.first_seen_at is 'When the platform first met this content';

create table public.files (
    id bigint generated always as identity primary key,
    name text not null,
    path text not null,
    raw_path bytea not null check (length(raw_path) > 0),
    extension text not null,
    folder text not null,
    size_bytes bigint not null check (size_bytes >= 0),
    modified_at timestamptz not null,
    created_by text,
    content_hash text references public.contents (hash),
    first_seen_at timestamptz not null default now(),
    last_seen_at timestamptz not null default now(),
    content_changed_at timestamptz,
    deleted_at timestamptz,
    thumbnail text,
    nas_url text not null
);
-- At most one live file per raw path. Over the digest, because a path may be longer than the 2,704 bytes that an index entry can hold.
create unique index files_live_raw_path on public.files (sha256(raw_path)) where deleted_at is null;
-- Finding the deleted file that a path belonged to, when the path is seen again.
create index files_deleted_raw_path on public.files (sha256(raw_path)) where deleted_at is not null;
create index files_folder on public.files (folder) where deleted_at is null;
create index files_content_hash on public.files (content_hash);
comment on table public.files is 'One row per file of the NAS, live or deleted; the row stays the same over rename, move and edit';
comment on column public.files.id is 'Given once, never reused';
comment on column public.files.name is 'File name (NFC)';
comment on column public.files.path is 'Path below the NAS root (NFC)';
comment on column public.files.raw_path is 'Path below the NAS root, exactly as the bytes on disk';
comment on column public.files.extension is 'Lower-case extension without the dot';
comment on column public.files.folder is 'Project folder that the file stands in, or _loose';
comment on column public.files.size_bytes is 'Size in bytes';
comment on column public.files.modified_at is 'Last change of the content, as the disk says (mtime)';
comment on column public.files.created_by is 'Owner of the file on the NAS';
comment on column public.files.content_hash is 'The content; empty while the file could not be read';
comment on column public.files.first_seen_at is 'When the platform first saw the file';
comment on column public.files.last_seen_at is 'When a scan last recorded something about the file; ops.folders says when its folder was last scanned';
comment on column public.files.content_changed_at is 'When the platform last saw new content in the file';
comment on column public.files.deleted_at is 'When the file was found missing; empty for a live file';
comment on column public.files.thumbnail is 'Preview (NocoDB attachment)';
comment on column public.files.nas_url is 'Link to the file on the NAS';

create table public.file_versions (
    id bigint generated always as identity primary key,
    file_id bigint not null references public.files (id),
    path text not null,
    raw_path bytea not null,
    content_hash text references public.contents (hash),
    size_bytes bigint not null check (size_bytes >= 0),
    valid_from timestamptz not null,
    valid_to timestamptz,
    check (valid_to >= valid_from)  -- a version that ends before it begins would answer no question
);
-- A file is in one place with one content at a time: one open version, one end of each other. It also serves the history of a file.
create unique index file_versions_one_at_a_time on public.file_versions (file_id, valid_to) nulls not distinct;
comment on table public.file_versions is 'Where each file was and what it held, from when to when; never rewritten, read by restore';
comment on column public.file_versions.file_id is 'The file';
comment on column public.file_versions.path is 'Path in that time (NFC)';
comment on column public.file_versions.raw_path is 'Path in that time, as the bytes on disk';
comment on column public.file_versions.content_hash is 'Content in that time; empty while the file could not be read';
comment on column public.file_versions.size_bytes is 'Size in bytes in that time';
comment on column public.file_versions.valid_from is 'From when the platform saw it so';
comment on column public.file_versions.valid_to is 'Until when; empty for what is so now';

-- A version is history: only its end may still be set. Not business logic, but the guard of a promise that restore rests on.
create function ops.refuse_version_rewrite() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' or old.valid_to is not null
       or (new.file_id, new.raw_path, new.content_hash, new.size_bytes, new.valid_from)
          is distinct from (old.file_id, old.raw_path, old.content_hash, old.size_bytes, old.valid_from) then
        raise exception 'file_versions is history: version % cannot be changed', old.id using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger file_versions_are_history before update or delete on public.file_versions
    for each row execute function ops.refuse_version_rewrite();

create table ops.scans (
    id bigint generated always as identity primary key,
    folders text[],
    deep boolean not null,
    state text not null default 'running' check (state in ('running', 'complete', 'incomplete', 'failed')),
    phase text not null default 'walk',
    started_at timestamptz not null default now(),
    finished_at timestamptz,
    files_seen bigint not null default 0,
    files_to_hash bigint not null default 0,
    files_hashed bigint not null default 0,
    bytes_to_hash bigint not null default 0,
    bytes_hashed bigint not null default 0,
    deletions_refused bigint not null default 0,
    confirmed_at timestamptz,
    report jsonb,
    error text
);
comment on table ops.scans is 'One row per scan: its scope, progress and outcome';
comment on column ops.scans.folders is 'Which folders were asked for; empty for the whole share';
comment on column ops.scans.state is 'complete: everything seen was stored; incomplete: something is open (problems, refused deletions); failed: it ended early';
comment on column ops.scans.confirmed_at is 'When an operator used this scan to allow the deletions that it refused; works once';

create table ops.folders (
    folder text primary key,
    raw_folder bytea,
    present boolean not null default true,
    first_seen_at timestamptz not null default now(),
    last_scan_at timestamptz,
    last_complete_scan_at timestamptz,
    last_scan_id bigint references ops.scans (id)
);
comment on table ops.folders is 'The project folders (Dagster partitions): whether they are on the disk and when they were last scanned';
comment on column ops.folders.last_complete_scan_at is 'Last scan whose walk of this folder ended without an error';

create table ops.disk_entries (
    file_id bigint primary key references public.files (id),
    live boolean not null default true,
    folder text not null,
    directory_key bigint not null,
    raw_directory bytea not null,
    raw_name bytea not null,
    size_bytes bigint not null,
    mtime_ns bigint,
    inode bigint,
    birth_ns bigint,
    verified_at timestamptz
);
create index disk_entries_directory on ops.disk_entries (directory_key) where live;
create index disk_entries_inode on ops.disk_entries (inode);
comment on table ops.disk_entries is 'What the disk last said of each file: the scanner compares with this. live is true exactly where files.deleted_at is null';
comment on column ops.disk_entries.directory_key is 'First 8 bytes of BLAKE2b of raw_directory: groups quickly, decides nothing';
comment on column ops.disk_entries.mtime_ns is 'Modification time of the content that was hashed; null while the file could not be read, so that every scan tries again';
comment on column ops.disk_entries.inode is 'Inode number, 64 bits as signed';
comment on column ops.disk_entries.birth_ns is 'Creation time of the inode where the file system knows it: tells an edited file from a reused inode number';
comment on column ops.disk_entries.verified_at is 'When the bytes were last read and hashed';

create table ops.hashed_candidates (
    raw_path_digest bytea primary key,
    size_bytes bigint not null,
    mtime_ns bigint not null,
    inode bigint not null,
    birth_ns bigint,
    hash text not null,
    hashed_at timestamptz not null default now()
);
comment on table ops.hashed_candidates is 'Hashes of new files that may be moved ones, kept until the scan has seen them all; a killed scan need not read them again';

create table ops.path_problems (
    raw_path_digest bytea primary key,
    raw_path bytea not null,
    path text not null,
    folder text not null,
    kind text not null check (kind in ('unreadable_directory', 'unreadable_file', 'changing_file')),
    reason text not null,
    scan_id bigint references ops.scans (id),
    first_seen_at timestamptz not null default now()
);
comment on table ops.path_problems is 'Files and folders that cannot be read now, and why; a row goes when the path was read or is gone';

create table ops.refused_deletions (
    scan_id bigint not null references ops.scans (id) on delete cascade,
    file_id bigint not null references public.files (id),
    primary key (scan_id, file_id)
);
comment on table ops.refused_deletions is 'Files that a scan found missing but did not mark deleted, because too many vanished at once';

create table ops.bit_rot (
    id bigint generated always as identity primary key,
    file_id bigint not null references public.files (id),
    path text not null,
    expected_hash text not null references public.contents (hash),
    found_hash text not null,
    scan_id bigint references ops.scans (id),
    found_at timestamptz not null default now(),
    healed_at timestamptz
);
create unique index bit_rot_open on ops.bit_rot (file_id) where healed_at is null;
comment on table ops.bit_rot is 'Files whose bytes changed although size and time did not: a failing disk or a hidden edit. The stored original is kept';
