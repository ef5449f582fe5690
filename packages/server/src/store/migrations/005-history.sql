-- What a conversation's history is read from: prompts, and what the agent's main thread said and got to know.
-- sqlite.ts asks in the very same words, or the index is not used.
create index events_history on events (session_id, seq) where type = 'turn.started'
  or (type = 'agent.message' and data ->> '$.type' in ('user', 'assistant')
      and data ->> '$.parent_tool_use_id' is null);

-- Whether the agent had a transcript of the conversation before the session's log began.
alter table conversations add column from_disk integer not null default 0;
-- Of older ones nobody noted it; to look once more does no harm.
update conversations set from_disk = 1 where after_seq = 0;
