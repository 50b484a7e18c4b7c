-- What benchmarks/search_documents.py indexes, over the office of benchmarks/register_office.sql: texts and mails of some length, each its own. A made-up
-- vocabulary of 30,000 words is used as words are used, a few of them all the time.
create temp table words as
select n, (array['Brandschutz', 'Lüftungs', 'Heizungs', 'Rohr', 'Kabel', 'Sanitär', 'Prüf', 'Anlagen', 'Bauteil', 'Decken', 'Schacht', 'Kälte'])[1 + n %% 12]
          || (array['klappe', 'leitung', 'protokoll', 'anlage', 'plan', 'pumpe', 'ventil', 'kanal', 'schnitt', 'verteiler'])[1 + n / 12 %% 10]
          || case when n >= 120 then ' ' || left(translate(md5(n::text), '0123456789', 'ghiklmnopr'), 5 + n %% 9) else '' end as word
from generate_series(0, 29999) n;
alter table words add primary key (n);
create temp table pieces as
select p, string_agg(w.word, ' ' order by g) as piece
from (select p, g, floor(30000 * pow(random(), 4))::int as n from generate_series(1, 20000) p cross join generate_series(1, 12) g offset 0) as drawn
join words w using (n)
group by p;
alter table pieces add primary key (p);
create temp table texts as
select t, string_agg(piece, '. ') as text
from generate_series(1, %(files)s / 4 + %(conversations)s) t cross join generate_series(1, 16) g join pieces on p = 1 + (t * 7919 + g * 104729 + t * g) %% 20000
group by t;
alter table texts add primary key (t);
update content_texts c set text = t.text from texts t where t.t = ('x' || right(c.content_hash, 6))::bit(24)::int;
update emails e set body_text = left(t.text, 800), from_address = 'p' || e.id %% 500 || '@example.org', from_name = 'Person ' || e.id %% 500, delivered_at = now()
from texts t where t.t = %(files)s / 4 + e.id;
insert into email_bodies (email_id, quoted_text, signature) select id, 'Am Montag schrieb jemand: ' || body_text, 'Mit freundlichen Grüßen' from emails;
insert into email_recipients (email_id, kind, ordinal, address, name) select id, 'to', 0, 'p' || id %% 499 || '@example.org', 'Person ' || id %% 499 from emails;
insert into persons (name) select 'Person ' || n from generate_series(0, 499) n;
insert into person_identities (label, person_id, kind, key) select name, id, 'address', 'p' || id - 1 || '@example.org' from persons;
insert into conversation_projects (conversation_id, project_id) select id, 1 + id %% %(projects)s from conversations;
insert into file_cost_groups (file_id, cost_group_id) select f.id, g.id from files f join cost_groups g on g.number = (array[410, 420, 430, 434, 440])[1 + f.id %% 5];
update files set project_id = 1 + id %% %(projects)s;
analyze;
