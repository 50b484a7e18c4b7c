-- Every link with the reason for it, for whoever asks why.

create view public.item_links with (security_invoker = true) as
select l.item, l.item_id, l.what, l.target, l.target_id, l.target_name, coalesce(l.rule, 'Von Hand') as rule,
       case when l.rule is null then 'person' when r.id is not null then r.reads
            when l.rule like 'Label: %' then 'label' when l.rule like 'Betreff: %' then 'subject' else 'folder' end as source,
       l.confidence, r.pattern
from (
    select 'file' as item, f.id as item_id, f.path as what, 'project' as target, p.id as target_id, p.name as target_name, f.project_rule as rule,
           1.00::numeric(3, 2) as confidence
    from public.files f join public.projects p on p.id = f.project_id where f.deleted_at is null
    union all
    select 'file', f.id, f.path, 'document_type', t.id, t.name, f.document_type_rule, coalesce(r.confidence, 1)
    from public.files f join public.document_types t on t.id = f.document_type_id left join public.link_rules r on r.name = f.document_type_rule
    where f.deleted_at is null
    union all
    select 'file', f.id, f.path, 'cost_group', g.id, g.label, b.rule, b.confidence
    from public.file_cost_groups b join public.files f on f.id = b.file_id join public.cost_groups g on g.id = b.cost_group_id where f.deleted_at is null
    union all
    select 'file', f.id, f.path, 'location', l.id, l.label, b.rule, b.confidence
    from public.file_locations b join public.files f on f.id = b.file_id join public.locations l on l.id = b.location_id where f.deleted_at is null
    union all
    select 'task', t.id, t.name, 'cost_group', g.id, g.label, b.rule, b.confidence
    from public.task_cost_groups b join public.tasks t on t.id = b.task_id join public.cost_groups g on g.id = b.cost_group_id where t.deleted_at is null
    union all
    select 'task', t.id, t.name, 'location', l.id, l.label, b.rule, b.confidence
    from public.task_locations b join public.tasks t on t.id = b.task_id join public.locations l on l.id = b.location_id where t.deleted_at is null
    union all
    select 'conversation', c.id, c.subject, 'project', p.id, p.name, b.rule, b.confidence
    from public.conversation_projects b join public.conversations c on c.id = b.conversation_id join public.projects p on p.id = b.project_id
    where c.deleted_at is null
    union all
    select 'conversation', c.id, c.subject, 'cost_group', g.id, g.label, b.rule, b.confidence
    from public.conversation_cost_groups b join public.conversations c on c.id = b.conversation_id join public.cost_groups g on g.id = b.cost_group_id
    where c.deleted_at is null
    union all
    select 'conversation', c.id, c.subject, 'location', l.id, l.label, b.rule, b.confidence
    from public.conversation_locations b join public.conversations c on c.id = b.conversation_id join public.locations l on l.id = b.location_id
    where c.deleted_at is null
) as l left join public.link_rules r on r.name = l.rule;
comment on view public.item_links is 'Every link of a live file, task or conversation, and why it is there';
comment on column public.item_links.item is 'file, task or conversation';
comment on column public.item_links.what is 'Path, name or subject';
comment on column public.item_links.target is 'project, document_type, cost_group or location';
comment on column public.item_links.rule is 'The rule that decided; Von Hand: a person did';
comment on column public.item_links.source is 'What it read: folder, name, extension, tag, label, subject, text; or person';
comment on column public.item_links.confidence is 'How sure it is, 0 to 1';
comment on column public.item_links.pattern is 'Of the rule, where it is one of link_rules';
