-- The agent's present conversation: its id is the session's at first, and another after /clear.
alter table sessions add column conversation_id text;
update sessions set conversation_id = id;

-- Every conversation of every session; its events are those after after_seq, up to the next one's.
create table conversations (
  id text primary key,
  session_id text not null references sessions (id),
  after_seq integer not null
) strict;
create index conversations_by_session on conversations (session_id, after_seq);
insert into conversations select id, id, 0 from sessions;
