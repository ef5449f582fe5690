-- What erased sessions have used, without their ids: GET /usage never goes back.
create table erased_usage (
  model text primary key,
  input_tokens integer not null,
  output_tokens integer not null,
  cache_read_input_tokens integer not null,
  cache_creation_input_tokens integer not null,
  cost_usd real not null
) strict, without rowid;
create table erased_turns (id integer primary key check (id = 1), n integer not null) strict;
insert into erased_turns values (1, 0);
-- The requests of one session, for its erasure.
create index permissions_by_session on permissions (session_id);
-- The size of a session's log, in bytes of its events' data: retention compares it with its limit.
alter table sessions add column log_bytes integer not null default 0;
update sessions set log_bytes =
  (select coalesce(sum(octet_length(data)), 0) from events where session_id = sessions.id);
