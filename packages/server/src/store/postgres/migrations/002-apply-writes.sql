-- A whole burst of writes in one round trip. A later migration that changes these functions gives them another name: nodes
-- of the version before go on calling these while they are replaced.

-- The cursor of the first event of this transaction. Cursors grow with transaction ids, not with the order of commits, so
-- readers stay below the oldest transaction that still runs: then nothing can appear behind them.
create function cursor_base() returns bigint language sql volatile as $$
  select (pg_current_xact_id()::text::bigint + (select xid_offset from cluster where id = 1)) * 4096
$$;

-- No event with a cursor from here on can be read as one of all sessions yet.
create function cursor_limit() returns bigint language sql stable as $$
  select (pg_snapshot_xmin(pg_current_snapshot())::text::bigint + (select xid_offset from cluster where id = 1)) * 4096
$$;

create function add_usage(session text, u jsonb) returns void language sql as $$
  insert into usage select session, r.* from jsonb_to_record(u) as r (
    model text, input_tokens bigint, output_tokens bigint, cache_read_input_tokens bigint,
    cache_creation_input_tokens bigint, cost_usd float8)
  on conflict (session_id, model) do update set
    input_tokens = usage.input_tokens + excluded.input_tokens,
    output_tokens = usage.output_tokens + excluded.output_tokens,
    cache_read_input_tokens = usage.cache_read_input_tokens + excluded.cache_read_input_tokens,
    cache_creation_input_tokens = usage.cache_creation_input_tokens + excluded.cache_creation_input_tokens,
    cost_usd = usage.cost_usd + excluded.cost_usd
$$;

-- Adds rows to a session that is being imported; each takes a cursor, of the `places` that are left. Returns how many they
-- are, or null if an id or a key of them is taken.
create function import_rows(sid text, r jsonb, first_cursor bigint, places int) returns int language plpgsql as $$
declare
  n_conversations int := jsonb_array_length(r -> 'conversations');
  n_turns int := jsonb_array_length(r -> 'turns');
  total int := n_conversations + n_turns + jsonb_array_length(r -> 'events');
  inserted int;
begin
  if total > places then
    raise exception 'too many rows in one transaction' using errcode = '54000';
  end if;
  update sessions set
      log_bytes = log_bytes + (select coalesce(sum((e ->> 'bytes')::bigint), 0) from jsonb_array_elements(r -> 'events') e),
      last_cursor = first_cursor + total,
      tasks_seq = case when r ? 'tasks_seq' then (r ->> 'tasks_seq')::bigint else tasks_seq end,
      tasks_cursor = case when r ? 'tasks_seq' then first_cursor else tasks_cursor end
    where id = sid and last_cursor < first_cursor;
  if not found then
    raise exception 'no session % for the rows, or written by a later transaction', sid
      using errcode = case when exists (select from sessions where id = sid) then '40001' else '23503' end;
  end if;
  insert into conversations
    select c.row ->> 'id', sid, (c.row ->> 'after_seq')::bigint, (c.row ->> 'from_disk')::boolean, first_cursor + c.n - 1
    from jsonb_array_elements(r -> 'conversations') with ordinality c (row, n)
    on conflict do nothing;
  get diagnostics inserted = row_count;
  if inserted < n_conversations then return null; end if;
  insert into turns
    select t.* from jsonb_array_elements(r -> 'turns') with ordinality e (row, n),
      jsonb_populate_record(null::turns,
        e.row || jsonb_build_object('position', first_cursor + n_conversations + e.n - 1)) t
    on conflict do nothing;
  get diagnostics inserted = row_count;
  if inserted < n_turns then return null; end if;
  insert into events (session_id, seq, cursor, at, turn_id, type, bytes, history, data)
    select sid, x.seq, first_cursor + n_conversations + n_turns + e.n - 1, x.at, x.turn_id, x.type, x.bytes, x.history, x.data
    from jsonb_array_elements(r -> 'events') with ordinality e (row, n),
      jsonb_to_record(e.row) as x (seq bigint, at text, turn_id text, type text, bytes int, history boolean, data text);
  return total + 1;
end $$;

-- Turns that have ended stay in the sums of all sessions, but for those of an import that was given up.
create function count_erased_turns(sid text, up_to bigint, my_slot int) returns void language sql as $$
  insert into erased_turns
    select my_slot, count(*) from turns where session_id = sid and position <= up_to and ended_at is not null
      and (select hidden from sessions where id = sid) is distinct from 'importing'
  on conflict (slot) do update set n = erased_turns.n + excluded.n
$$;

-- Removes the oldest events of a hidden session, then its turns, then its requests: at most so many rows and, but for the
-- first, so many bytes. Returns false if none is left.
create function erase_rows(sid text, max_rows int, max_bytes bigint, my_slot int) returns boolean language plpgsql as $$
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
  delete from permissions where session_id = sid and position <= last;
  return last is not null;
end $$;

-- Removes a session's events below a number, and notes the newest one that readers of all sessions would miss.
create function trim_events(sid text, below_seq bigint, my_slot int) returns void language plpgsql as $$
declare
  removed bigint;
  cut bigint;
begin
  with gone as (delete from events where session_id = sid and seq < below_seq returning bytes, type, cursor)
  select sum(bytes), max(cursor) filter (where type <> 'agent.message') into removed, cut from gone;
  update sessions set
      log_bytes = log_bytes - coalesce(removed, 0),
      tasks_seq = case when tasks_seq < below_seq then null else tasks_seq end
    where id = sid;
  if cut is not null then
    insert into trimmed values (my_slot, cut)
      on conflict (slot) do update set cursor = greatest(trimmed.cursor, excluded.cursor);
  end if;
end $$;

create function erase_session(sid text, my_slot int) returns boolean language plpgsql as $$
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
  delete from conversations where session_id = sid;
  delete from sessions where id = sid;
  return true;
end $$;

-- Appends events of one session. Returns the first number and the first cursor.
create function append_events(sid text, es jsonb, at_cursor bigint) returns jsonb language plpgsql as $$
declare
  n int := jsonb_array_length(es);
  total bigint;
  with_tasks jsonb;
  first_seq bigint;
begin
  if n = 1 then
    total := (es -> 0 ->> 'bytes')::bigint;
    with_tasks := es -> 0 -> 'tasks';
  else
    select sum((e ->> 'bytes')::bigint) into total from jsonb_array_elements(es) e;
    -- Of the newest task list: its place in the list if it names a task, otherwise 0.
    select case when (e.row ->> 'tasks')::boolean then to_jsonb(e.n) else '0' end into with_tasks
      from jsonb_array_elements(es) with ordinality e (row, n) where e.row ? 'tasks' order by e.n desc limit 1;
  end if;
  -- A session's cursors follow its numbers. They would not if a node whose transaction began earlier wrote later; such a
  -- transaction begins again.
  update sessions set
      last_seq = last_seq + n, log_bytes = log_bytes + total, last_cursor = at_cursor + n - 1
    where id = sid and last_cursor < at_cursor
    returning last_seq - n + 1 into first_seq;
  if first_seq is null then
    if exists (select from sessions where id = sid) then
      raise exception 'a transaction that began later has written to this session' using errcode = '40001';
    end if;
    raise exception 'no session % to append to', sid using errcode = '23503';
  end if;
  if n = 1 then
    insert into events (session_id, seq, cursor, at, turn_id, type, bytes, history, data)
      select sid, first_seq, at_cursor, r.at, r.turn_id, r.type, r.bytes, r.history, r.data
      from jsonb_to_record(es -> 0) as r (at text, turn_id text, type text, bytes int, history boolean, data text);
    if with_tasks is not null then with_tasks := case when with_tasks = 'true' then '1' else '0' end; end if;
  else
    insert into events (session_id, seq, cursor, at, turn_id, type, bytes, history, data)
      select sid, first_seq + e.n - 1, at_cursor + e.n - 1, r.at, r.turn_id, r.type, r.bytes, r.history, r.data
      from jsonb_array_elements(es) with ordinality e (row, n),
        jsonb_to_record(e.row) as r (at text, turn_id text, type text, bytes int, history boolean, data text);
  end if;
  if with_tasks is not null then
    update sessions set
        tasks_seq = case when with_tasks::int > 0 then first_seq + with_tasks::int - 1 end,
        tasks_cursor = at_cursor
      where id = sid;
  end if;
  return jsonb_build_array(first_seq, at_cursor);
end $$;

-- Applies the changes of one write. `used` is how many cursors the transaction has used. Returns those used after it, and
-- the first number and cursor of each run of events.
-- Raises CA001 with the index of the change whose condition does not hold.
create function apply_changes(changes jsonb, base bigint, used int, out next_used int, out appended jsonb)
language plpgsql as $$
declare
  c jsonb;
  i int := -1;
  sid text;
  ok boolean;
  taken int;
  my_slot int := pg_backend_pid() % 8;
begin
  next_used := used;
  appended := '[]';
  for c in select * from jsonb_array_elements(changes) loop
    i := i + 1;
    sid := c ->> 's';
    ok := true;
    if next_used > 4090 then
      raise exception 'too many changes in one transaction' using errcode = '54000';
    end if;
    case c ->> 'k'
    when 'event' then
      appended := appended || jsonb_build_array(append_events(sid, c -> 'e', base + next_used));
      next_used := next_used + jsonb_array_length(c -> 'e');
      i := i + jsonb_array_length(c -> 'e') - 1;
    when 'update-session' then
      update sessions t set (created_at, last_activity, status, title, metadata, tags, cwd, worktree, model,
          permission_mode, options, conversation_id, has_transcript, transcript_seen, forked_from, created_by,
          workspace) =
        (select r.created_at, r.last_activity, r.status, r.title, r.metadata, r.tags, r.cwd, r.worktree, r.model,
          r.permission_mode, r.options, r.conversation_id, r.has_transcript, r.transcript_seen, r.forked_from, r.created_by,
          r.workspace
          from jsonb_populate_record(t, c -> 'r') r)
        where t.id = sid;
      ok := found;
    when 'owned' then
      -- The lock keeps another node from taking the session before this transaction ends.
      perform from sessions where id = sid and fence = (c ->> 'fence')::bigint for no key update;
      ok := found;
    when 'count-message' then
      update sessions set message_count = message_count + 1 where id = sid;
      ok := found;
    when 'update-turn' then
      update turns t set (state, started_at, ended_at, settled_at, result, idempotency_key, steers, continued_as) =
        (select r.state, r.started_at, r.ended_at, r.settled_at, r.result, r.idempotency_key, r.steers, r.continued_as
          from jsonb_populate_record(t, c -> 'r') r)
        where t.session_id = sid and t.id = c ->> 'id' and c -> 'from' ? t.state;
      ok := found;
    when 'insert-turn' then
      perform from sessions where id = sid and last_cursor < base + next_used for no key update;
      if not found then
        raise exception 'no session % for the turn, or written by a later transaction', sid
          using errcode = case when exists (select from sessions where id = sid) then '40001' else '23503' end;
      end if;
      if c -> 'r' ->> 'idempotency_key' is not null and exists (
        select from turns where session_id = sid and idempotency_key = c -> 'r' ->> 'idempotency_key') then
        ok := false;
      else
        insert into turns select r.* from jsonb_populate_record(null::turns,
          (c -> 'r') || jsonb_build_object('position', base + next_used)) r;
        next_used := next_used + 1;
      end if;
    when 'insert-permission' then
      perform from sessions where id = sid and last_cursor < base + next_used for no key update;
      if not found then
        raise exception 'no session % for the permission, or written by a later transaction', sid
          using errcode = case when exists (select from sessions where id = sid) then '40001' else '23503' end;
      end if;
      insert into permissions select r.* from jsonb_populate_record(null::permissions,
        (c -> 'r') || jsonb_build_object('position', base + next_used)) r;
      next_used := next_used + 1;
    when 'settle-permission' then
      update permissions t set (state, reason, resolved_at, resolved_by, decision) =
        (select r.state, r.reason, r.resolved_at, r.resolved_by, r.decision from jsonb_populate_record(t, c -> 'r') r)
        where t.session_id = sid and t.id = c ->> 'id' and t.state = 'pending';
      ok := found;
    when 'insert-session' then
      insert into sessions select r.* from jsonb_populate_record(null::sessions, c -> 'r') r on conflict do nothing;
      ok := found;
      if ok then
        insert into conversations
          select s.conversation_id, s.id, 0, s.has_transcript, base + next_used from sessions s where s.id = sid
          on conflict do nothing;
        ok := found;
        next_used := next_used + 1;
      end if;
    when 'insert-conversation' then
      insert into conversations
        select c ->> 'id', s.id, s.last_seq, false, base + next_used from sessions s where s.id = sid
        on conflict do nothing;
      ok := found;
      next_used := next_used + 1;
    when 'add-usage' then
      perform add_usage(sid, c -> 'r');
    when 'add-key-usage' then
      insert into key_usage values (c ->> 'key', my_slot, (c ->> 'cost')::float8)
        on conflict (key_id, slot) do update set cost_usd = key_usage.cost_usd + excluded.cost_usd;
    when 'begin-import' then
      insert into sessions select r.* from jsonb_populate_record(null::sessions, c -> 'r') r on conflict do nothing;
      ok := found;
    when 'import-rows' then
      taken := import_rows(sid, c -> 'r', base + next_used, 4090 - next_used);
      ok := taken is not null;
      next_used := next_used + coalesce(taken, 0);
    when 'end-import' then
      update sessions set hidden = null where id = sid and hidden = 'importing';
      ok := found;
      perform add_usage(sid, u) from jsonb_array_elements(c -> 'r') u;
    when 'insert-call' then
      insert into open_calls values (sid, c ->> 'id', c ->> 'turn', c ->> 'kind');
    when 'delete-call' then
      delete from open_calls where session_id = sid and id = c ->> 'id';
    when 'hide-session' then
      update sessions set hidden = 'erasing' where id = sid and hidden is null;
      ok := found;
    when 'erase-rows' then
      ok := erase_rows(sid, (c ->> 'rows')::int, (c ->> 'bytes')::bigint, my_slot);
    when 'erase-session' then
      ok := erase_session(sid, my_slot);
    when 'trim-events' then
      perform trim_events(sid, (c ->> 'below')::bigint, my_slot);
    end case;
    if not ok then
      raise exception 'refused' using errcode = 'CA001', detail = i::text;
    end if;
  end loop;
end $$;

/*
 * Applies writes in order, each whole or not at all, and says of each what became of it:
 * [[seq, cursor], ...], or {"refused": index}, or {"failed": sentence}.
 * `batch` is the writer's own number of this call. A call with the number of the last one returns its outcome: so a
 * writer that lost its connection calls again, and nothing is written twice. The lock makes it wait for the first call,
 * should that still run.
 * Without `isolated` a write that is refused or fails takes all with it: no write costs a subtransaction then, and the
 * caller repeats the call with `isolated` in the rare case.
 */
create function apply_writes(writer text, batch_no bigint, writes jsonb, isolated boolean)
returns jsonb language plpgsql as $$
declare
  outcome jsonb;
  base bigint;
  used int := 0;
  w jsonb;
  appended jsonb;
  code text;
  why text;
  place text;
begin
  perform pg_advisory_xact_lock(hashtextextended(writer, 0));
  select p.outcome into outcome from writers p where p.id = writer and p.batch = batch_no;
  if outcome is not null then return outcome; end if;
  base := cursor_base();
  outcome := '[]';
  for w in select * from jsonb_array_elements(writes) loop
    if not isolated then
      select a.next_used, a.appended into used, appended from apply_changes(w, base, used) a;
    else
      begin
        select a.next_used, a.appended into used, appended from apply_changes(w, base, used) a;
      exception when others then
        get stacked diagnostics code = returned_sqlstate, why = message_text, place = pg_exception_detail;
        if code = 'CA001' then appended := jsonb_build_object('refused', place::int);
        elsif left(code, 2) in ('22', '23', '42', '54', 'P0', '20') then
          appended := jsonb_build_object('failed', why);
        else raise;
        end if;
      end;
    end if;
    outcome := outcome || jsonb_build_array(appended);
  end loop;
  insert into writers values (writer, batch_no, outcome, now())
    on conflict (id) do update set batch = excluded.batch, outcome = excluded.outcome, at = excluded.at;
  return outcome;
end $$;
