-- The agent's files of conversations, so that a session continues on any node: as they are, in chunks.

-- A conversation: the newest turn that is in its transcript whole, and what lists show of it.
create table transcripts (
  session_id text collate "C" not null,
  conversation_id text collate "C" not null,
  turn_id text collate "C",
  preview text not null,
  title text,
  primary key (session_id, conversation_id)
);

-- version grows when a file was written anew; tail is the SHA-256 of its last 64 KB.
create table transcript_files (
  session_id text collate "C" not null,
  conversation_id text collate "C" not null,
  path text collate "C" not null,
  version int not null,
  size bigint not null,
  tail text not null,
  primary key (session_id, conversation_id, path)
);

-- data is compressed by the server (zstd); start counts what it was before.
create table transcript_chunks (
  session_id text collate "C" not null,
  conversation_id text collate "C" not null,
  path text collate "C" not null,
  version int not null,
  start bigint not null,
  data bytea not null,
  primary key (session_id, conversation_id, path, version, start)
);
alter table transcript_chunks alter column data set storage external;

-- Adds parts of files, whose content follows each other. A file counts with the part that names its size; until then its
-- last state does. Returns false when another node owns the session. Can be repeated.
create function keep_transcript(
  sid text, fence_no bigint, conversation text, about jsonb, parts jsonb, content bytea
) returns boolean language plpgsql as $$
declare
  part record;
  at int := 1;
begin
  perform from sessions where id = sid and fence = fence_no for no key update;
  if not found then return false; end if;
  for part in select * from jsonb_to_recordset(parts) as p
    (path text, version int, start bigint, bytes int, first boolean, size bigint, tail text) loop
    if part.first then
      -- Chunks of an attempt that was given up.
      delete from transcript_chunks c where c.session_id = sid and c.conversation_id = conversation
        and c.path = part.path and c.version = part.version and c.start >= part.start;
    end if;
    if part.bytes > 0 then
      insert into transcript_chunks values
        (sid, conversation, part.path, part.version, part.start, substring(content from at for part.bytes))
      on conflict (session_id, conversation_id, path, version, start) do update set data = excluded.data;
      at := at + part.bytes;
    end if;
    if part.size is not null then
      insert into transcript_files values (sid, conversation, part.path, part.version, part.size, part.tail)
      on conflict (session_id, conversation_id, path) do update set
        version = excluded.version, size = excluded.size, tail = excluded.tail;
      delete from transcript_chunks c where c.session_id = sid and c.conversation_id = conversation
        and c.path = part.path and c.version <> part.version;
    end if;
  end loop;
  if about is not null then
    insert into transcripts values (sid, conversation, about ->> 'turn', about ->> 'preview', about ->> 'title')
    on conflict (session_id, conversation_id) do update set
      turn_id = coalesce(excluded.turn_id, transcripts.turn_id), preview = excluded.preview, title = excluded.title;
  end if;
  return true;
end $$;

-- As before, and then the chunks of its conversations' files. What nodes of the version before call does this too.
create or replace function erase_rows(sid text, max_rows int, max_bytes bigint, my_slot int)
returns boolean language plpgsql as $$
declare
  last bigint;
begin
  select max(seq) into last from (
    select seq, sum(bytes) over (order by seq) - bytes as before
    from (select seq, bytes from events where session_id = sid order by seq limit max_rows) oldest) e
  where before < max_bytes;
  if last is not null then
    delete from events where session_id = sid and seq <= last;
    return true;
  end if;
  select max(position) into last from (
    select position, sum(bytes) over (order by position) - bytes as before
    from (select position, octet_length(input) + coalesce(octet_length(result), 0) as bytes
          from turns where session_id = sid order by position limit max_rows) oldest) t
  where before < max_bytes;
  if last is not null then
    perform count_erased_turns(sid, last, my_slot);
    delete from turns where session_id = sid and position <= last;
    return true;
  end if;
  select max(position) into last from (
    select position, sum(bytes) over (order by position) - bytes as before
    from (select position, octet_length(tool_input) + octet_length(suggestions) as bytes
          from permissions where session_id = sid order by position limit max_rows) oldest) p
  where before < max_bytes;
  if last is not null then
    delete from permissions where session_id = sid and position <= last;
    return true;
  end if;
  with first as materialized (
    select conversation_id, path, version, start, octet_length(data) as bytes from transcript_chunks
    where session_id = sid order by conversation_id, path, version, start limit max_rows),
  due as (
    select conversation_id, path, version, start,
      sum(bytes) over (order by conversation_id, path, version, start) - bytes as before from first)
  delete from transcript_chunks c using due
    where c.session_id = sid and c.conversation_id = due.conversation_id and c.path = due.path
      and c.version = due.version and c.start = due.start and due.before < max_bytes;
  return found;
end $$;

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
