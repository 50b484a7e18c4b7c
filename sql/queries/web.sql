-- The search page's own table (ibhelm_pipelines/web/saved.py).

-- name: saved_searches
select id, name, query, created_at from search.saved_searches order by lower(name), id

-- name: save_search
insert into search.saved_searches (name, query)
select %(name)s, %(query)s where (select count(*) from search.saved_searches) < %(most)s
returning id, name, query, created_at

-- name: delete_search
delete from search.saved_searches where id = %(id)s
