-- The office that benchmarks/register.py links.
insert into projects (teamwork_id, name) select n, (2000 + n) || ' Bauvorhaben ' || n from generate_series(1, %(projects)s) n;
insert into ops.folders (folder) select 'projekte/' || (2000 + n) || '-Bauvorhaben ' || n || '-MK' from generate_series(1, %(projects)s) n;
insert into contents (hash, size_bytes) select lpad(to_hex(n), 64, '0'), 1 from generate_series(1, %(files)s / 4) n;
insert into content_texts (content_hash, text)
select hash, 'Projekt Bauvorhaben, Haus A, EG, KGR ' || (array[410, 420, 430, 434, 440])[1 + n %% 5] || repeat(' Leistungen wie vor beschrieben', 200)
from contents, lateral (select ('x' || right(hash, 6))::bit(24)::int as n) as number;
insert into files (name, path, raw_path, extension, folder, size_bytes, modified_at, nas_url, content_hash)
select name, path, convert_to(path, 'utf8'), 'pdf', folder, 1, now(), '', lpad(to_hex(1 + n %% (%(files)s / 4)), 64, '0')
from generate_series(1, %(files)s) n,
     lateral (select 'projekte/' || (2001 + n %% %(projects)s) || '-Bauvorhaben ' || (1 + n %% %(projects)s) || '-MK' as folder) as f,
     lateral (select (array['Angebot', 'Grundriss Haus A EG', 'Prüfprotokoll', 'Rechnung KGR 434', 'IMG_2024'])[1 + n %% 5] || ' ' || n || '.pdf' as name) as g,
     lateral (select folder || '/' || (array['01_Verträge/Angebote', '03_Planung/KGR 434 Kälte', '05_Fotos/O-Haus A/EG', '04_Protokolle', '02_Grundlagen'])[1 + n / 7 %% 5]
                     || '/Stand ' || n %% 46 || '/' || name as path) as h;
insert into tags (teamwork_id, name) values (1, 'KGR 434'), (2, 'O-Haus A / EG'), (3, 'dringend'), (4, 'KG 410');
insert into tasks (teamwork_id, name, project_id) select n, 'Prüfen ' || n, 1 + n %% %(projects)s from generate_series(1, %(tasks)s) n;
insert into task_tags (task_id, teamwork_tag_id, tag_id) select id, 1 + id %% 4, 1 + id %% 4 from tasks;
insert into labels (missive_id, name, full_name) select 'l' || n, (2000 + n) || ' Bauvorhaben ' || n, '' from generate_series(1, %(projects)s) n;
insert into conversations (missive_id, subject) select 'c' || n, 'Planstand ' || n from generate_series(1, %(conversations)s) n;
insert into conversation_labels (conversation_id, missive_label_id, label_id)
select id, 'l' || 1 + id %% %(projects)s, 1 + id %% %(projects)s from conversations;
insert into emails (missive_id, subject, conversation_id) select 'm' || id, 'AW: Nachtrag KGR 430', id from conversations;
analyze;
