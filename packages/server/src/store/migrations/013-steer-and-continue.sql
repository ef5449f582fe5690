-- The turn that a message was given to while it ran (when_busy "steer"). Once the agent has taken it its state is
-- `steered`; a message that was not taken in time becomes a turn of its own, and this null again.
alter table turns add column steers text;
-- The id of the prompt with which a turn went on after a crash. A turn that has one does not go on a second time.
alter table turns add column continued_as text;
create index turns_continued on turns (continued_as) where continued_as is not null;
-- A message that a turn took in is part of the conversation, where it was taken. The condition is that of the query.
drop index events_history;
create index events_history on events (session_id, seq) where type in ('turn.started', 'turn.steered')
  or (type = 'agent.message' and data ->> '$.type' in ('user', 'assistant')
      and data ->> '$.parent_tool_use_id' is null);
