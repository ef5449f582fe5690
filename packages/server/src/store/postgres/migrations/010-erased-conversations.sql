-- Conversations whose sessions were erased: nodes that had them remove their copies. Kept for 90 days.
create table erased_conversations (
  session_id text collate "C" not null,
  conversation_id text collate "C" not null,
  at timestamptz not null,
  primary key (session_id, conversation_id)
);
create index erased_conversations_by_time on erased_conversations (at);

-- As in 008-transcripts.sql, and names its conversations to the other nodes.
create or replace function erase_session(sid text, my_slot int) returns boolean language plpgsql as $$
begin
  perform from sessions where id = sid for update;
  if not found then return false; end if;
  insert into erased_usage
    select model, my_slot, input_tokens, output_tokens, cache_read_input_tokens, cache_creation_input_tokens, cost_usd
    from usage where session_id = sid order by model
  on conflict (model, slot) do update set
    input_tokens = erased_usage.input_tokens + excluded.input_tokens,
    output_tokens = erased_usage.output_tokens + excluded.output_tokens,
    cache_read_input_tokens = erased_usage.cache_read_input_tokens + excluded.cache_read_input_tokens,
    cache_creation_input_tokens = erased_usage.cache_creation_input_tokens + excluded.cache_creation_input_tokens,
    cost_usd = erased_usage.cost_usd + excluded.cost_usd;
  perform count_erased_turns(sid, 9223372036854775807, my_slot);
  insert into erased_conversations
    select sid, id, clock_timestamp() from conversations where session_id = sid
    on conflict (session_id, conversation_id) do update set at = excluded.at;
  delete from usage where session_id = sid;
  delete from permissions where session_id = sid;
  delete from open_calls where session_id = sid;
  delete from turns where session_id = sid;
  delete from events where session_id = sid;
  delete from transcript_chunks where session_id = sid;
  delete from transcript_files where session_id = sid;
  delete from transcripts where session_id = sid;
  delete from conversations where session_id = sid;
  delete from sessions where id = sid;
  return true;
end $$;
