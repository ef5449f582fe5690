-- What was used on each day (of UTC), by whom and of which model. Sums without days are in usage and key_usage.
create table usage_days (
  day text not null,
  maker text not null,
  tenant text not null,
  model text not null,
  input_tokens integer not null,
  output_tokens integer not null,
  cache_read_input_tokens integer not null,
  cache_creation_input_tokens integer not null,
  cost_usd real not null,
  primary key (day, maker, tenant, model)
) strict;
create index usage_days_by_tenant on usage_days (day, tenant);

-- Open sessions are counted when another one is opened.
create index sessions_open_by_maker on sessions (coalesce(created_by, 'local')) where status = 'connected' and hidden is null;
create index sessions_open_by_tenant on sessions (tenant) where status = 'connected' and hidden is null;
