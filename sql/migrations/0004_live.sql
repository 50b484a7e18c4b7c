-- The live lane (design section 6): what waits, what was done, who is alive; the webhooks as they came; the alerts.

create table ops.inbox (
    id bigint generated always as identity primary key,
    source text not null check (source in ('nas', 'content', 'teamwork', 'missive')),
    kind text not null,
    key bytea not null,
    label text not null,
    folder text,
    weight bigint not null default 0 check (weight >= 0),
    events integer not null default 1 check (events >= 1),
    first_event_at timestamptz not null default now(),
    last_event_at timestamptz not null default now(),
    attempts integer not null default 0 check (attempts >= 0),
    due_at timestamptz not null default now(),
    error text,
    poisoned_at timestamptz,
    lease_owner text,
    lease_until timestamptz,
    lease_events integer,
    check ((lease_owner is null) = (lease_until is null) and (lease_owner is null) = (lease_events is null)),
    check (poisoned_at is null or (error is not null and lease_owner is null))  -- what is given up says why, and nobody works on it
);
-- Coalescing: the same thing waits once, however often it changed. Over the digest, because a path may be longer than an index entry can be.
create unique index inbox_key on ops.inbox (source, kind, sha256(key));
create index inbox_waiting on ops.inbox (source, due_at) where poisoned_at is null;
comment on table ops.inbox is 'What changed and waits to be processed: each thing once. A row goes when it is done';
comment on column ops.inbox.kind is 'nas: path (at and below it), directory (files directly in it), folder, share; content: hash, folder; vendors: what their hook names (task, conversation, ...)';
comment on column ops.inbox.key is 'Which one: a raw path below the NAS root, a folder, a content hash, the id of a vendor; as bytes, because paths are';
comment on column ops.inbox.label is 'The key as people read it';
comment on column ops.inbox.weight is 'Bytes to be worked on; the smallest goes first, so that a big scan never delays a note';
comment on column ops.inbox.events is 'How many events said so since the row was made';
comment on column ops.inbox.due_at is 'Not before this time: after a transient failure';
comment on column ops.inbox.poisoned_at is 'When it was given up, see error; a new event of the same thing tries again';
comment on column ops.inbox.lease_until is 'Until when its worker may be silent; then another one takes it';
comment on column ops.inbox.lease_events is 'events when it was taken: if more came meanwhile, it is done again';

create table ops.outbox (
    id bigint generated always as identity primary key,
    xid xid8 not null default pg_current_xact_id(),
    asset text not null,
    folder text not null,
    counts jsonb not null,
    happened_at timestamptz not null default now()
);
-- Read in the order of commits: ids are given out before, transactions below the snapshot's xmin are all over.
create index outbox_commit_order on ops.outbox (xid, id);
comment on table ops.outbox is 'What the live lane did, written in the transaction that did it; the sensor live_events tells Dagster';
comment on column ops.outbox.counts is 'The numbers that the same work of a run would show in Dagster';

create table ops.heartbeats (
    process text primary key,
    kind text not null check (kind in ('watcher', 'worker', 'webhooks')),
    host text not null,
    pid integer not null,
    started_at timestamptz not null default now(),
    beat_at timestamptz not null default now(),
    stopped_at timestamptz,
    state jsonb not null default '{}'
);
comment on table ops.heartbeats is 'The long-lived processes of the live lane: when each last gave a sign of life, and what it says of itself';
comment on column ops.heartbeats.process is 'kind, host and pid in one word';
comment on column ops.heartbeats.stopped_at is 'When it ended in good order; empty for one that runs or died';
comment on column ops.heartbeats.state is 'What it says of itself, e.g. {"mode": "inotify", "directories": 40577, "problem": null}';

create table ops.webhook_deliveries (
    id bigint generated always as identity primary key,
    vendor text not null check (vendor in ('teamwork', 'missive')),
    delivery text not null,
    event text not null,
    body bytea not null,
    kind text not null,
    object_id text not null,
    received_at timestamptz not null default now(),
    unique (vendor, delivery)  -- a replay is the same delivery
);
create index webhook_deliveries_received on ops.webhook_deliveries (received_at);
comment on table ops.webhook_deliveries is 'Signed webhook posts as they came, each once';
comment on column ops.webhook_deliveries.delivery is 'The vendor''s own id of the delivery, else the SHA-256 of the body';
comment on column ops.webhook_deliveries.event is 'What the vendor says happened, as it says it';
comment on column ops.webhook_deliveries.object_id is 'The vendor''s id of what changed; it is read again, the body is never believed';

create table ops.alerts (
    id bigint generated always as identity primary key,
    key text not null,
    severity text not null check (severity in ('error', 'warning')),
    title text not null,
    body text not null,
    opened_at timestamptz not null default now(),
    seen_at timestamptz not null default now(),
    sent_at timestamptz,
    send_error text,
    closed_at timestamptz,
    closing_sent_at timestamptz
);
create unique index alerts_open on ops.alerts (key) where closed_at is null;
comment on table ops.alerts is 'What the admin was told: one row per trouble from its beginning to its end';
comment on column ops.alerts.key is 'What it is about; the same trouble has one open alert';
comment on column ops.alerts.seen_at is 'When the trouble was last found to be there';
comment on column ops.alerts.sent_at is 'When it was last sent; again daily while it lasts';
comment on column ops.alerts.send_error is 'Why it could not be sent; it is tried again';

-- Live scans are short and many; they name paths of a folder instead of whole folders.
alter table ops.scans add column paths bigint;
comment on column ops.scans.paths is 'How many paths a live scan looked at; empty for a scan of whole folders';
