-- What waits for an answer, in all sessions: the older index had the session first, so GET /permissions read the table.
drop index permissions_pending;
create index permissions_pending on permissions (position) where state = 'pending';
-- Turns whose background work was cut off by the server's end, asked for at start.
create index turns_unsettled on turns (position)
  where wait_for = 'background' and ended_at is not null and settled_at is null;
-- How many turns have ended, of a session and of all: GET /usage counts them.
create index turns_ended on turns (session_id, ended_at) where ended_at is not null;
-- The newest task list of each session, asked for at start.
create index events_tasks on events (session_id, cursor) where type = 'session.tasks';
-- Sessions whose agent has begun another conversation (/clear).
create index sessions_moved on sessions (id, conversation_id) where conversation_id <> id;
