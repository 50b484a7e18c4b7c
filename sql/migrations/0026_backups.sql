-- Backups of the databases, and the trials by which it is known that they can be restored (ibhelm_pipelines/safety/backup.py, drill.py).

create table ops.backups (
    id bigint generated always as identity primary key,
    database text not null,
    key text not null unique,
    state text not null default 'running' check (state in ('running', 'ok', 'failed')),
    started_at timestamptz not null,
    finished_at timestamptz,
    size_bytes bigint,
    sha256 text,
    encrypted boolean not null,
    tables integer,
    row_count bigint,
    error text,
    gone_at timestamptz,
    check (state <> 'ok' or (finished_at is not null and size_bytes is not null and sha256 is not null))
);
comment on table ops.backups is 'Backups of the databases; what there really is, is said by the manifests below backups/database/ in the bucket';
comment on column ops.backups.database is 'Which: ibhelm is ours, dagster is Dagster''s own';
comment on column ops.backups.key is 'The dump in the bucket';
comment on column ops.backups.state is 'running: under way, or its process was killed; ok: the manifest is written; failed: there is no such backup';
comment on column ops.backups.row_count is 'Rows of all tables in the snapshot that was dumped';
comment on column ops.backups.gone_at is 'Since when it is no longer in the bucket: it expired, or somebody deleted it';
create index backups_newest on ops.backups (database, started_at desc);

create table ops.restore_drills (
    id bigint generated always as identity primary key,
    backup_key text,
    state text not null default 'running' check (state in ('running', 'ok', 'hash_only', 'failed')),
    started_at timestamptz not null,
    finished_at timestamptz,
    backup_taken_at timestamptz,
    newest_row_at timestamptz,
    tables integer,
    row_count bigint,
    rows_compared bigint,
    objects_compared bigint,
    restore_seconds double precision,
    problems text[] not null default '{}',
    check (state <> 'failed' or problems <> '{}')
);
comment on table ops.restore_drills is 'Trials: the newest backup restored into a database of its own, compared with what it was made of, and dropped again';
comment on column ops.restore_drills.state is 'hash_only: this machine has no key, so nothing but the hash of the encrypted object could be compared';
comment on column ops.restore_drills.newest_row_at is 'The newest thing in the restored database';
comment on column ops.restore_drills.rows_compared is 'Rows, drawn at random when the backup was made, whose contents were compared';
comment on column ops.restore_drills.objects_compared is 'Stored objects, drawn at random, that were read and hashed';
comment on column ops.restore_drills.problems is 'What was not as it should be';
create index restore_drills_newest on ops.restore_drills (started_at desc);
