create table sessions (
  id text primary key,
  created_at text not null,
  last_activity text not null,
  status text not null,
  title text,
  metadata text not null,
  cwd text not null,
  model text,
  permission_mode text not null,
  options text not null,
  message_count integer not null,
  has_transcript integer not null,
  forked_from text,
  last_seq integer not null
) strict;
create index sessions_by_activity on sessions (status, last_activity, id);

-- position orders the queue: two messages of one millisecond keep the order of their arrival
create table turns (
  position integer primary key autoincrement,
  id text not null unique,
  session_id text not null references sessions (id),
  state text not null,
  input text not null,
  idempotency_key text,
  input_hash text not null,
  created_at text not null,
  started_at text,
  ended_at text,
  result text,
  unique (session_id, idempotency_key)
) strict;
create index turns_by_session on turns (session_id, position);
create index turns_open on turns (state, position) where state in ('queued', 'running');

create table permissions (
  position integer primary key autoincrement,
  id text not null unique,
  session_id text not null references sessions (id),
  turn_id text,
  kind text not null,
  tool_name text not null,
  tool_input text not null,
  tool_use_id text,
  agent_id text,
  suggestions text not null,
  title text,
  description text,
  decision_reason text,
  blocked_path text,
  default_to_no integer not null,
  requested_at text not null,
  expires_at text,
  state text not null,
  reason text,
  resolved_at text
) strict;
create index permissions_pending on permissions (session_id, position) where state = 'pending';

create table events (
  cursor integer primary key autoincrement,
  session_id text not null references sessions (id),
  seq integer not null,
  at text not null,
  turn_id text,
  type text not null,
  data text not null,
  unique (session_id, seq)
) strict;
-- where a turn begins; an index over all events of all turns would double the cost of an append
create unique index events_turn_start on events (turn_id) where type = 'turn.queued';
-- the global stream reads everything but the bulk
create index events_control on events (cursor) where type <> 'agent.message';

create table usage (
  session_id text not null references sessions (id),
  model text not null,
  input_tokens integer not null,
  output_tokens integer not null,
  cache_read_input_tokens integer not null,
  cache_creation_input_tokens integer not null,
  cost_usd real not null,
  primary key (session_id, model)
) strict, without rowid;
