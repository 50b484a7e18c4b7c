-- Derived work: what each step made of each content, texts, stored objects (design section 4).

alter table public.contents add column family text;
comment on column public.contents.family is 'Kind of content that decides which tools are used on it; empty until it was first opened';

create table public.content_texts (
    content_hash text primary key references public.contents (hash),
    text text not null,
    truncated boolean not null default false
);
comment on table public.content_texts is 'Extracted text of each content, apart so that lists stay narrow';
comment on column public.content_texts.text is 'The text, with page marks (form feed between pages)';
comment on column public.content_texts.truncated is 'The document has more text than is kept, or more than could be read in time';

create table ops.step_results (
    content_hash text not null references public.contents (hash),
    step text not null check (step in ('store', 'thumbnail', 'text', 'embedding')),
    tool_version text not null,
    state text not null check (state in ('ok', 'empty', 'unsupported', 'failed')),
    reason text,
    permanent boolean not null default false,
    attempts integer not null default 1 check (attempts >= 1),
    took_ms integer not null check (took_ms >= 0),
    finished_at timestamptz not null default now(),
    next_try_at timestamptz,
    primary key (content_hash, step, tool_version),
    check (state = 'ok' or reason is not null),  -- whatever is not ok says why
    check ((next_try_at is not null) = (state = 'failed' and not permanent))  -- only a transient failure is due again
);
create index step_results_due on ops.step_results (step, next_try_at) where next_try_at is not null;
create index step_results_state on ops.step_results (step, state);
comment on table ops.step_results is 'What each step made of each content with each version of its tool. Missing work is what has no row here';
comment on column ops.step_results.state is 'ok; empty: nothing to find in it; unsupported: no tool for this kind; failed: see reason';
comment on column ops.step_results.permanent is 'The same content and tool would fail again (poison); not tried until one of them changes';
comment on column ops.step_results.next_try_at is 'When a transient failure is tried again';

create table ops.stored_objects (
    key text primary key,
    kind text not null check (kind in ('original', 'thumbnail')),
    content_hash text not null references public.contents (hash),
    sha256 text not null,
    size_bytes bigint not null check (size_bytes >= 0),
    media_type text not null,
    stored_at timestamptz not null default now()
);
create index stored_objects_content on ops.stored_objects (content_hash);
comment on table ops.stored_objects is 'Every object in S3. An object is written before its row, a row is deleted before its object';
