-- What else a reader learns about a content, and how much of it a result covers (issue 8).

alter table public.contents
    add column program text,
    add column written_at timestamptz,
    add column likeness bigint;
comment on column public.contents.page_count is 'Pages of a PDF or of a multi-page image; sheets, slides';
comment on column public.contents.program is 'What the file was made with, as the file itself says';
comment on column public.contents.written_at is 'When the document was begun, as the file itself says';
comment on column public.contents.likeness is 'Perceptual hash of a picture: few bits differ between pictures that look the same';

alter table ops.step_results
    add column pages_read integer check (pages_read >= 0),
    add column truncated boolean not null default false;
comment on column ops.step_results.pages_read is 'Pages, sheets, slides or frames that the result covers; empty where the kind has none';
comment on column ops.step_results.truncated is 'There is more of it than the result covers';
