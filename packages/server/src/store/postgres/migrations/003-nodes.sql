-- What proves to a node that a request comes from another node of this database.
alter table cluster add column secret text;
update cluster set secret = gen_random_uuid()::text || gen_random_uuid()::text;
alter table cluster alter column secret set not null;
