alter table sessions add column created_by text;

create table key_usage (
  key_id text primary key,
  cost_usd real not null
) strict, without rowid;
