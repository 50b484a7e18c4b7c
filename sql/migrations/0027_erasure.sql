-- Who read what (ibhelm_pipelines/access_log), and what forgetting a person has to remember until it is through (docs/privacy.md).

create table ops.access_log (
    id uuid primary key,
    at timestamptz not null,
    way text not null check (way in ('link', 'page', 'api', 'mcp', 'cli')),
    who text,
    client text,
    action text not null check (action in ('preview', 'download', 'search', 'read', 'similar', 'project', 'sql', 'access log')),
    items text[] not null default '{}',
    content_hash text,
    row_count integer,
    outcome text not null check (outcome in ('allowed', 'denied')),
    status smallint not null
);
create index access_log_at on ops.access_log (at);
create index access_log_content on ops.access_log (content_hash) where content_hash is not null;
create index access_log_who on ops.access_log (lower(who), at) where who is not null;
comment on table ops.access_log is 'Who read what through links, the search page, its API and assistants; IBHELM_ACCESS_LOG_DAYS long. Never the words that were searched. For `ibhelm access-log`, not for readers';
comment on column ops.access_log.id is 'Given where it was read, so that an entry that is delivered twice is stored once';
comment on column ops.access_log.who is 'Account that signed in (its address with OpenID Connect), API for a script with the token, user@host of a command; empty: somebody with a link, or nobody';
comment on column ops.access_log.client is 'Keyed digest of the network address, another one each day; tells whether two entries of a day come from one address';
comment on column ops.access_log.items is 'What was shown: file:12, email:5, project:3 as the search and assistants name them; of a query in SQL the tables that it names, table:contacts';
comment on column ops.access_log.content_hash is 'Of a preview or download; emptied when the content is forgotten';
comment on column ops.access_log.row_count is 'Of a query in SQL: how many rows it gave';
comment on column ops.access_log.status is 'As HTTP has it';

create table ops.paths_to_forget (
    raw_path bytea primary key,
    noted_at timestamptz not null default now()
);
comment on table ops.paths_to_forget is 'Paths whose rows were forgotten and that manifests in S3 may still name; a row goes when none does any more';
