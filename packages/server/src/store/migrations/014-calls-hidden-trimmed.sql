-- Calls of hooks and custom tools that wait for an answer: what a server that dies leaves open is settled by the next.
create table open_calls (
  id text primary key,
  session_id text not null references sessions (id),
  turn_id text,
  kind text not null
) strict, without rowid;
create index open_calls_by_session on open_calls (session_id);
-- A session that is being erased or imported, in many small transactions: until that is over, nobody finds it.
alter table sessions add column hidden text;
create index sessions_hidden on sessions (id, hidden) where hidden is not null;
-- The newest control event that retention has removed: a reader of all sessions from before it would miss some.
create table trimmed (id integer primary key check (id = 1), cursor integer not null) strict;
insert into trimmed values (1, 0);
