-- The mirror in S3 is read again and healed; what is deleted for long enough is purged (docs/safety.md).

alter table ops.stored_objects add column verified_at timestamptz;
create index stored_objects_verification on ops.stored_objects (coalesce(verified_at, stored_at));
comment on column ops.stored_objects.verified_at is 'When its bytes were last read back and were right; empty: not since the server checked them at the upload';

create table ops.verifications (
    id bigint generated always as identity primary key,
    started_at timestamptz not null,
    finished_at timestamptz,
    everything boolean not null,
    rebuild boolean not null,
    listed bigint not null default 0,
    objects bigint not null default 0,
    bytes bigint not null default 0,
    missing bigint not null default 0,
    refused text
);
comment on table ops.verifications is 'Each verification of the objects in S3: what it listed, what it read back, what was missing';
comment on column ops.verifications.listed is 'Objects of ours that the listing of the bucket was compared with';
comment on column ops.verifications.objects is 'Objects that were read back and hashed';
comment on column ops.verifications.missing is 'Objects that are not there, or of another size';
comment on column ops.verifications.refused is 'Why nothing was concluded from what is missing: too much at once; an operator decides (ibhelm verify --rebuild)';

create table ops.object_problems (
    id bigint generated always as identity primary key,
    key text not null,
    content_hash text not null,
    object_kind text not null check (object_kind in ('original', 'thumbnail')),
    kind text not null check (kind in ('missing', 'wrong_size', 'rotten', 'unreadable')),
    found_at timestamptz not null,
    healed_at timestamptz,
    how text,
    check ((healed_at is null) or how is not null)
);
create unique index object_problems_open on ops.object_problems (key) where healed_at is null;
create index object_problems_content on ops.object_problems (content_hash);
comment on table ops.object_problems is 'Objects in S3 that were missing or not what they should be, how they were healed, or why not';
comment on column ops.object_problems.kind is 'missing; wrong_size: cut off; rotten: other bytes; unreadable: the server fails on this one object while it serves all others';
comment on column ops.object_problems.how is 'How it was healed; of an open one why it could not be';

create view ops.open_object_problems as
select p.id, p.key, p.content_hash, p.object_kind, p.kind, p.found_at, p.how as why_not,
       coalesce((select string_agg(path, ', ' order by path) from (
           select path from public.file_versions v where v.content_hash = p.content_hash group by path order by max(v.valid_from) desc limit 3) as v), p.key) as paths
from ops.object_problems p
where p.healed_at is null;
comment on view ops.open_object_problems is 'Objects in S3 that are missing or damaged and could not be healed, with where the files were';

create table ops.purges (
    id bigint generated always as identity primary key,
    started_at timestamptz not null,
    finished_at timestamptz,
    retention_days integer not null,
    confirmed boolean not null,
    removed jsonb not null default '{}',
    refused text
);
comment on table ops.purges is 'Each run of the retention: what it removed for good';
comment on column ops.purges.removed is 'Counts: files, versions, contents, texts, objects, object_bytes, orphans, orphan_bytes, uploads';
comment on column ops.purges.refused is 'Why it removed no file: too many at once, or a clock that cannot be right; an operator decides (ibhelm retention --confirm)';

create table ops.orphan_objects (
    key text primary key,
    size_bytes bigint not null,
    modified_at timestamptz not null,
    noted_at timestamptz not null,
    seen_at timestamptz not null
);
comment on table ops.orphan_objects is 'Objects in S3 that no row names, and since when we know: they are deleted after the grace period. One that a row names again leaves the list';
comment on column ops.orphan_objects.modified_at is 'When it was put there, as the server says';
comment on column ops.orphan_objects.seen_at is 'When the bucket was last listed and it was still so';

-- History is for good but for two reasons: what must be forgotten, and what is past its retention. Whoever means that says so, for one transaction.
create or replace function ops.refuse_version_rewrite() returns trigger language plpgsql as $$
begin
    if current_setting('ibhelm.rewriting', true) = 'on' then
        return case tg_op when 'DELETE' then old else new end;
    end if;
    if tg_op = 'DELETE' or old.valid_to is not null
       or (new.file_id, new.raw_path, new.content_hash, new.size_bytes, new.mtime_ns, new.valid_from)
          is distinct from (old.file_id, old.raw_path, old.content_hash, old.size_bytes, old.mtime_ns, old.valid_from) then
        raise exception 'file_versions is history: version % cannot be changed', old.id using errcode = 'check_violation';
    end if;
    return new;
end $$;
comment on table public.file_versions is 'Where each file was and what it held, from when to when; never rewritten but for what must be forgotten or is past its retention, read by restore';
create index files_deleted on public.files (deleted_at) where deleted_at is not null;
