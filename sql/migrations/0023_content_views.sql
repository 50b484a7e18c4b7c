-- What could not be read and why, how much of each folder can be seen and searched, what older tools made (docs/file-types.md), and pictures that look the same.
--
-- The views of ops are for Dagster, commands and alerts; those of public say the same to the office. Both kinds read ops with their owner's rights, and show
-- what the office may know and nothing else.

-- Problems of contents.

create index step_results_problems on ops.step_results (finished_at desc) where state in ('failed', 'unsupported') or truncated;

create view ops.content_problems as
select r.content_hash, f.path, f.folder, f.name, f.project_name, f.nas_url as url,
       (select count(*) from public.files o where o.content_hash = r.content_hash and o.deleted_at is null) as files,
       c.family, c.media_type, c.size_bytes, r.step, r.state, r.permanent, r.truncated,
       coalesce(r.reason, case when r.truncated then 'There is more of it than was read' end) as reason, r.pages_read, c.page_count,
       r.attempts, r.next_try_at, r.finished_at as since, r.tool_version,
       r.state <> 'ok' and exists (
           select from ops.step_results g where g.content_hash = r.content_hash and g.step = r.step and g.state = 'ok') as has_older_result
from ops.step_results r
join public.contents c on c.hash = r.content_hash
join public.files f on f.content_hash = r.content_hash and f.deleted_at is null
  -- The first of them, said so that a list of one folder may begin with its files, and a list by time with the results.
  and not exists (select from public.files o where o.content_hash = f.content_hash and o.deleted_at is null and o.id < f.id)
where r.state in ('failed', 'unsupported') or r.truncated;
comment on view ops.content_problems is 'Contents of live files of which a step failed, for which there is no tool, or of which only a part was read; one row a step';
comment on column ops.content_problems.path is 'One of the files that carry it';
comment on column ops.content_problems.files is 'How many live files carry it';
comment on column ops.content_problems.state is 'failed, unsupported, or ok of what was read in part';
comment on column ops.content_problems.permanent is 'Not tried again until the content or the tool changes, or somebody runs ibhelm retry';
comment on column ops.content_problems.truncated is 'There is more of it than was read';
comment on column ops.content_problems.since is 'When it was last tried';
comment on column ops.content_problems.has_older_result is 'What an earlier tool made of it is still shown';

create view public.content_problems as
select p.name, s.label as step,
       case when p.state = 'unsupported' then 'Kein Programm dafür' when p.permanent then 'Nicht lesbar' when p.state = 'failed' then 'Wird wieder versucht'
            else 'Nur zum Teil gelesen' end as problem,
       p.reason, p.family, p.project_name, p.folder, p.path, p.files, p.size_bytes, p.attempts, p.next_try_at, p.since, p.url, p.content_hash
from ops.content_problems p
join (values ('thumbnail', 'Vorschau'), ('text', 'Text'), ('store', 'Original')) as s (step, label) on s.step = p.step;
comment on view public.content_problems is 'Files whose preview or text is missing or incomplete, and why';
comment on column public.content_problems.name is 'Name of one of the files';
comment on column public.content_problems.step is 'What is missing: the preview, the text, or the stored original';
comment on column public.content_problems.problem is 'In which way';
comment on column public.content_problems.reason is 'Why, as the tool says it';
comment on column public.content_problems.files is 'How many files carry the same content';
comment on column public.content_problems.next_try_at is 'When it is tried again by itself';
comment on column public.content_problems.since is 'When it was last tried';
comment on column public.content_problems.url is 'Link to the file on the NAS';
comment on column public.content_problems.content_hash is 'The content (contents.hash)';

-- How much can be seen and searched. A content with a good result of an earlier tool counts as ok: that is what people see.

create view ops.content_coverage as
select folder, family, count(*) as contents, sum(files)::bigint as files, sum(size_bytes)::bigint as bytes,
       count(*) filter (where thumbnail = 'ok') as previews_ok, count(*) filter (where thumbnail = 'empty') as previews_empty,
       count(*) filter (where thumbnail = 'unsupported') as previews_unsupported, count(*) filter (where thumbnail = 'failed') as previews_failed,
       count(*) filter (where thumbnail is null) as previews_missing, round(100.0 * count(*) filter (where thumbnail = 'ok') / count(*), 1) as preview_percent,
       count(*) filter (where text = 'ok') as texts_ok, count(*) filter (where text = 'empty') as texts_empty,
       count(*) filter (where text = 'unsupported') as texts_unsupported, count(*) filter (where text = 'failed') as texts_failed,
       count(*) filter (where text is null) as texts_missing, round(100.0 * count(*) filter (where text = 'ok') / count(*), 1) as text_percent,
       count(*) filter (where truncated) as truncated
from (
    -- Grouped by the folder too, so that a question about one folder reads that folder only. There are at most two results of a step: a good one, and beside it a
    -- newer one that is not.
    select f.folder, f.content_hash, f.files, coalesce(c.family, 'unopened') as family, c.size_bytes,
           case when bool_or(r.state = 'ok') filter (where r.step = 'thumbnail') then 'ok' else min(r.state) filter (where r.step = 'thumbnail') end as thumbnail,
           case when bool_or(r.state = 'ok') filter (where r.step = 'text') then 'ok' else min(r.state) filter (where r.step = 'text') end as text,
           coalesce(bool_or(r.truncated), false) as truncated
    from (
        select folder, content_hash, count(*) as files from public.files where deleted_at is null and content_hash is not null group by folder, content_hash
    ) as f
    join public.contents c on c.hash = f.content_hash
    left join ops.step_results r on r.content_hash = f.content_hash and r.step in ('thumbnail', 'text')
    group by f.folder, f.content_hash, f.files, coalesce(c.family, 'unopened'), c.size_bytes
) as contents
group by folder, family;
comment on view ops.content_coverage is 'How much of each project folder can be seen and searched, by family of content';
comment on column ops.content_coverage.contents is 'Distinct contents of live files in the folder; every other number counts these, but files and bytes';
comment on column ops.content_coverage.previews_missing is 'Nobody tried yet';
comment on column ops.content_coverage.texts_missing is 'Nobody tried yet';
comment on column ops.content_coverage.truncated is 'Of which there is more than was read';

create view public.content_coverage as
select v.folder, p.project_name, v.family, v.contents, v.files, v.bytes as size_bytes, v.previews_ok, v.preview_percent, v.texts_ok, v.text_percent,
       v.previews_failed + v.texts_failed as failed, v.previews_missing + v.texts_missing as missing, v.truncated
from ops.content_coverage v
left join lateral (
    select r.name as project_name from public.project_folders o join public.projects r on r.id = o.project_id where o.folder = v.folder limit 1
) as p on true;
comment on view public.content_coverage is 'How much of each project folder can be seen and searched, by kind of file';
comment on column public.content_coverage.contents is 'Distinct contents in the folder';
comment on column public.content_coverage.size_bytes is 'Size of these contents in bytes, each once';
comment on column public.content_coverage.failed is 'Previews and texts that failed';
comment on column public.content_coverage.missing is 'Previews and texts that nobody tried yet';
comment on column public.content_coverage.truncated is 'Of which there is more than was read';

-- What older tools made. Which versions are the present ones only the code knows: every scan notes them (ibhelm_pipelines/content/ledger.py).

create table ops.tool_versions (
    step text not null check (step in ('store', 'thumbnail', 'text')),
    family text not null,
    tool_version text not null,
    since timestamptz not null default now(),
    primary key (step, family)
);
comment on table ops.tool_versions is 'The present version of each tool, as the newest scan knows it: results of other versions are made anew';

create index step_results_version on ops.step_results (step, tool_version);

create view ops.outdated_contents as
with recursive versions (step, tool_version) as (
    -- From one version to the next by the index: there are a hundred, of a million results.
    (select step, tool_version from ops.step_results order by step, tool_version limit 1)
    union all
    select n.step, n.tool_version
    from versions v
    cross join lateral (
        select r.step, r.tool_version from ops.step_results r where (r.step, r.tool_version) > (v.step, v.tool_version) order by r.step, r.tool_version limit 1
    ) as n
), older as (
    select v.step, v.tool_version from versions v
    where not exists (select from ops.tool_versions t where t.step = v.step and t.tool_version = v.tool_version)
)
select t.step, t.family, t.tool_version, t.since, count(distinct r.content_hash) as contents
from older o
join ops.step_results r on r.step = o.step and r.tool_version = o.tool_version
join public.contents c on c.hash = r.content_hash
join ops.tool_versions t on t.step = r.step and t.family = coalesce(c.family, 'unopened')
where not exists (
        select from ops.step_results n where n.content_hash = r.content_hash and n.step = r.step and n.tool_version = t.tool_version)
  and exists (select from public.files f where f.content_hash = r.content_hash and f.deleted_at is null)
group by t.step, t.family, t.tool_version, t.since;
comment on view ops.outdated_contents is 'How many contents have nothing but a result of an older tool, by step and family; the next scan makes them anew';

alter view ops.health rename to health_without_tools;

create view ops.health as
select subject, state, number, bytes, since, detail from ops.health_without_tools
union all
select 'older tools', case when min(since) < now() - interval '1 day' then 'warning' else 'ok' end, coalesce(sum(contents), 0)::bigint, null, min(since),
       coalesce(string_agg(format('%s of %s: %s', step, family, contents), ', ' order by contents desc, step, family), 'nothing is outdated')
from ops.outdated_contents;
comment on view ops.health is 'How the platform is: one row per subject. Fast enough to be asked at any time';
comment on column ops.health.subject is 'What the row is about: files, whole scan, queue of a source, a process, a step, objects of a kind, alerts, database, a vendor, register, vectors, older tools';
comment on column ops.health.state is 'ok, warning or error';

-- Pictures that look the same. Two pictures whose 64 bits differ in at most four share at least one of five bands: four of 13 bits and one of twelve.

create function ops.likeness_bands(likeness bigint) returns integer[] language sql immutable strict parallel safe
return array[
    (likeness & 8191)::integer, 8192 + ((likeness >> 13) & 8191)::integer, 16384 + ((likeness >> 26) & 8191)::integer,
    24576 + ((likeness >> 39) & 8191)::integer, 32768 + ((likeness >> 52) & 4095)::integer];

create view public.near_duplicates with (security_invoker = true) as
with bands as materialized (
    select c.hash, c.likeness, band from public.contents c cross join lateral unnest(ops.likeness_bands(c.likeness)) as band
    where c.likeness is not null and exists (select from public.files f where f.content_hash = c.hash and f.deleted_at is null)
), telling as (
    -- What hundreds have in common, such as a white page's edge, tells nothing, and each with each would be a million pairs.
    select * from (select *, count(*) over (partition by band) as pictures from bands) as counted where pictures <= 100
), pairs as (
    select distinct a.hash, b.hash as other_hash, bit_count((a.likeness # b.likeness)::bit(64)) as distance
    from telling a join telling b on b.band = a.band and b.hash > a.hash
    where bit_count((a.likeness # b.likeness)::bit(64)) <= 4
)
select f.name, f.path, o.name as other_name, o.path as other_path, p.distance, c.pixel_width, c.pixel_height, c.size_bytes,
       d.pixel_width as other_pixel_width, d.pixel_height as other_pixel_height, d.size_bytes as other_size_bytes, f.nas_url as url,
       o.nas_url as other_url, p.hash as content_hash, p.other_hash as other_content_hash
from pairs p
join public.contents c on c.hash = p.hash
join public.contents d on d.hash = p.other_hash
cross join lateral (select * from public.files l where l.content_hash = p.hash and l.deleted_at is null order by l.id limit 1) as f
cross join lateral (select * from public.files l where l.content_hash = p.other_hash and l.deleted_at is null order by l.id limit 1) as o;
comment on view public.near_duplicates is 'Pairs of pictures that look the same though their bytes differ: scaled, saved again, turned by their EXIF data';
comment on column public.near_duplicates.name is 'Name of a file of the one picture';
comment on column public.near_duplicates.other_name is 'Name of a file of the other picture';
comment on column public.near_duplicates.distance is 'How many of 64 bits differ: 0 to 4';
comment on column public.near_duplicates.url is 'Link to the one file on the NAS';
comment on column public.near_duplicates.other_url is 'Link to the other file on the NAS';
comment on column public.near_duplicates.content_hash is 'The one content (contents.hash)';
comment on column public.near_duplicates.other_content_hash is 'The other content (contents.hash)';
