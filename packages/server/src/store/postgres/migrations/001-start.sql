-- Every table's key begins with the session, so that it can be sharded by it. Exceptions: `conversations` (which session
-- has a conversation is asked by its id), and the small tables about nodes, keys and sums.
-- No sequence, no foreign key and no unique constraint goes across sessions. Ids and times compare by bytes.

create table cluster (
  id int primary key check (id = 1),
  -- Added to the transaction id in cursors: grows when a dump was restored where transaction ids are lower.
  xid_offset bigint not null
);
insert into cluster values (1, 0);

-- fence and owner: which node may write, see apply_writes. last_seq, log_bytes and last_cursor change with each event;
-- no index has them, and pages have room, so that these updates write to no index (HOT).
create table sessions (
  id text collate "C" primary key,
  created_at text collate "C" not null,
  last_activity text collate "C" not null,
  status text collate "C" not null,
  title text,
  metadata text not null,
  -- The members of the metadata that lists are filtered by, each as JSON of its name and value.
  tags text[] collate "C" not null,
  cwd text collate "C" not null,
  worktree text,
  model text,
  permission_mode text not null,
  options text not null,
  message_count bigint not null,
  conversation_id text collate "C" not null,
  has_transcript boolean not null,
  transcript_seen bigint,
  forked_from text,
  created_by text,
  -- The folder that the server made for it, as JSON: where it is from, and its newest saved state.
  workspace text,
  last_seq bigint not null default 0,
  log_bytes bigint not null default 0,
  last_cursor bigint not null default 0,
  -- Number and cursor of the newest task list, if that names a task.
  tasks_seq bigint,
  tasks_cursor bigint,
  owner text collate "C",
  fence bigint not null default 0,
  -- erasing or importing, in many small transactions: until that is over, nobody finds the session.
  hidden text
) with (fillfactor = 60);
create index sessions_by_activity on sessions (status, last_activity, id);
create index sessions_by_folder on sessions (cwd, last_activity, id);
create index sessions_by_time on sessions (last_activity, id);
create index sessions_with_tasks on sessions (tasks_cursor) where tasks_seq is not null;
create index sessions_moved on sessions (id, conversation_id) where conversation_id <> id;
create index sessions_hidden on sessions (id) where hidden is not null;
create index sessions_by_owner on sessions (owner, id) where owner is not null;

create table conversations (
  id text collate "C" primary key,
  session_id text collate "C" not null,
  after_seq bigint not null,
  from_disk boolean not null,
  -- The order of those that began behind the same event.
  position bigint not null
);
create index conversations_by_session on conversations (session_id, after_seq, position);

-- position orders the queue, in all sessions: a cursor (see events)
create table turns (
  session_id text collate "C" not null,
  id text collate "C" not null,
  position bigint not null,
  state text not null,
  initiator text not null,
  input text not null,
  idempotency_key text collate "C",
  input_hash text not null,
  wait_for text not null,
  urgent boolean not null,
  steers text collate "C",
  continued_as text collate "C",
  created_at text not null,
  started_at text,
  ended_at text,
  settled_at text,
  result text,
  primary key (session_id, id)
) with (fillfactor = 80);
create unique index turns_by_key on turns (session_id, idempotency_key) where idempotency_key is not null;
create index turns_by_session on turns (session_id, position);
create index turns_open on turns (session_id, position) where state in ('queued', 'running');
create index turns_unsettled on turns (session_id, position)
  where wait_for = 'background' and ended_at is not null and settled_at is null;
create index turns_continued on turns (session_id, continued_as) where continued_as is not null;
create index turns_ended on turns (session_id) where ended_at is not null;

create table permissions (
  session_id text collate "C" not null,
  id text collate "C" not null,
  position bigint not null,
  turn_id text,
  kind text not null,
  tool_name text not null,
  tool_input text not null,
  tool_use_id text collate "C",
  agent_id text,
  suggestions text not null,
  title text,
  description text,
  decision_reason text,
  blocked_path text,
  durable boolean not null,
  default_to_no boolean not null,
  requested_at text not null,
  expires_at text,
  state text not null,
  reason text,
  resolved_at text,
  resolved_by text,
  decision text,
  primary key (session_id, id)
);
create index permissions_pending on permissions (position) where state = 'pending';
create index permissions_open on permissions (session_id, position) where state = 'pending';
create index permissions_of_call on permissions (session_id, tool_use_id, position) where tool_use_id is not null;

-- Calls of hooks and custom tools that wait for an answer.
create table open_calls (
  session_id text collate "C" not null,
  id text collate "C" not null,
  turn_id text,
  kind text not null,
  primary key (session_id, id)
);

-- cursor: position among the events of all sessions, from the transaction's id (see apply_writes).
-- history: a prompt whose turn has begun, or what the main thread said. The data is text, as it was written: jsonb
-- refuses \u0000 and changes the order of members.
create table events (
  session_id text collate "C" not null,
  seq bigint not null,
  cursor bigint,
  at text not null,
  turn_id text collate "C",
  type text not null,
  bytes int not null,
  history boolean not null,
  data text not null,
  primary key (session_id, seq)
);
create index events_turn_start on events (session_id, turn_id, seq) where type in ('turn.queued', 'turn.started');
create index events_control on events (cursor) where type <> 'agent.message' and cursor is not null;
create index events_history on events (session_id, seq) where history;

create table usage (
  session_id text collate "C" not null,
  model text collate "C" not null,
  input_tokens bigint not null,
  output_tokens bigint not null,
  cache_read_input_tokens bigint not null,
  cache_creation_input_tokens bigint not null,
  cost_usd float8 not null,
  primary key (session_id, model)
);

-- Sums that many nodes add to: a row for each of a few slots, so that they rarely wait for each other.
create table key_usage (
  key_id text collate "C" not null,
  slot int not null,
  cost_usd float8 not null,
  primary key (key_id, slot)
);
create table erased_usage (
  model text collate "C" not null,
  slot int not null,
  input_tokens bigint not null,
  output_tokens bigint not null,
  cache_read_input_tokens bigint not null,
  cache_creation_input_tokens bigint not null,
  cost_usd float8 not null,
  primary key (model, slot)
);
create table erased_turns (slot int primary key, n bigint not null);
-- The newest control events that retention has removed: a reader of all sessions from before them would miss some.
create table trimmed (slot int primary key, cursor bigint not null);

-- What is written to find out whether anything can be written.
create table probe (id int primary key check (id = 1), at text not null);

-- The last batch of each writer and its outcome, for a writer that lost its connection before it got the answer.
create table writers (
  id text collate "C" primary key,
  batch bigint not null,
  outcome jsonb not null,
  at timestamptz not null
) with (fillfactor = 50);

create table nodes (
  id text collate "C" primary key,
  incarnation text not null,
  address text,
  started_at timestamptz not null,
  expires_at timestamptz not null,
  draining boolean not null default false,
  -- How many more sessions could have a process there at once.
  room int not null default 0
) with (fillfactor = 50);
