-- Links by which browsers get previews and originals from the gateway (`ibhelm web`), signed over the content hash.
--
-- The secret that signs never comes here: the pipeline signs each object once and keeps the signature beside it. A link is a function of the file's name,
-- its content, the object's signature and the gateway's address; sql/queries/links.sql keeps it.

alter table ops.stored_objects
    add column signature text,
    add column signed_with text,
    add constraint stored_objects_signed_with check ((signature is null) = (signed_with is null));
comment on column ops.stored_objects.signature is 'What a link to it carries as proof that we made it';
comment on column ops.stored_objects.signed_with is 'Which secret signed it (its id, not itself): after a rotation all are signed anew';

alter table public.files add column download_url text;
comment on column public.files.download_url is 'Link to the content as a download, by the gateway; empty until the original is stored';
comment on column public.files.thumbnail is 'Preview (NocoDB attachment), by the gateway';
alter table public.email_attachments add column download_url text;
comment on column public.email_attachments.download_url is 'Link to the content as a download, by the gateway; empty until the original is stored';

-- A name as the last part of a URL (RFC 3986: all but unreserved signs as the percent-encoded bytes of UTF-8). In plpgsql because most names take one or two
-- rounds: a second for 300,000 of them, where splitting them into signs takes six.
create function ops.url_quoted(name text) returns text language plpgsql immutable strict parallel safe as $$
declare
    quoted text := replace(replace(name, '%', '%25'), ' ', '%20');
    sign text := substring(quoted from '[^A-Za-z0-9._~%-]');
begin
    while sign is not null loop
        quoted := replace(quoted, sign, regexp_replace(upper(encode(convert_to(sign, 'UTF8'), 'hex')), '(..)', '%\1', 'g'));
        sign := substring(quoted from '[^A-Za-z0-9._~%-]');
    end loop;
    return quoted;
end $$;

alter table ops.heartbeats drop constraint heartbeats_kind_check, add constraint heartbeats_kind_check check (kind in ('watcher', 'worker', 'webhooks', 'web'));
