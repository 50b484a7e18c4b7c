-- NocoDB: what the set-up made there, and what its lists need to be quick.

create table ops.nocodb_made (
    base_id text not null,
    thing text not null,
    value jsonb not null,
    made_at timestamptz not null default now(),
    primary key (base_id, thing)
);
comment on table ops.nocodb_made is 'What `ibhelm nocodb-setup` wrote into NocoDB: where NocoDB says something else now, a person changed it, and it stays';
comment on column ops.nocodb_made.base_id is 'The base, as NocoDB names it';
