-- What restore needs besides names and bytes: the time that each file had. And how the manifests in the bucket are (ibhelm_pipelines/safety/manifests.py).

alter table public.file_versions add column mtime_ns bigint;
comment on column public.file_versions.mtime_ns is 'Modification time that the file had, in nanoseconds since 1970; empty while it could not be read, and where it was not kept yet';

-- Of versions that ended before, nobody knows it any more.
update public.file_versions v set mtime_ns = d.mtime_ns
from ops.disk_entries d
where d.file_id = v.file_id and d.live and v.valid_to is null and v.content_hash is not null;

create or replace function ops.refuse_version_rewrite() returns trigger language plpgsql as $$
begin
    if current_setting('ibhelm.forgetting', true) = 'on' then
        return case tg_op when 'DELETE' then old else new end;
    end if;
    if tg_op = 'DELETE' or old.valid_to is not null
       or (new.file_id, new.raw_path, new.content_hash, new.size_bytes, new.mtime_ns, new.valid_from)
          is distinct from (old.file_id, old.raw_path, old.content_hash, old.size_bytes, old.mtime_ns, old.valid_from) then
        raise exception 'file_versions is history: version % cannot be changed', old.id using errcode = 'check_violation';
    end if;
    return new;
end $$;

create table ops.manifest_writes (
    id bigint generated always as identity primary key,
    started_at timestamptz not null,
    finished_at timestamptz,
    index_key text,
    folders bigint,
    versions bigint,
    written bigint,
    written_bytes bigint,
    error text
);
comment on table ops.manifest_writes is 'Each time that the manifests of all folders were written into the bucket, for a restore without a database';
comment on column ops.manifest_writes.finished_at is 'Empty: it is under way, or was killed';
comment on column ops.manifest_writes.index_key is 'The object that names this day''s manifests';
comment on column ops.manifest_writes.written is 'Manifests that differ from those of before, and so were written anew';
comment on column ops.manifest_writes.error is 'Why it failed; empty for one that went well';
