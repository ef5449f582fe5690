-- The tenant that a session belongs to, for good. Control events have it too: a tenant's stream is read by it.
alter table sessions add column tenant text collate "C" not null default 'default';
create index sessions_by_tenant on sessions (tenant, last_activity, id);
create index sessions_by_maker on sessions (tenant, created_by, last_activity, id);
alter table events add column tenant text collate "C" default 'default';
create index events_of_tenant on events (tenant, cursor) where type <> 'agent.message' and cursor is not null;

-- As in 002-apply-writes.sql, and with the tenant of control events.
create or replace function import_rows(sid text, r jsonb, first_cursor bigint, places int) returns int language plpgsql as $$
declare
  n_conversations int := jsonb_array_length(r -> 'conversations');
  n_turns int := jsonb_array_length(r -> 'turns');
  total int := n_conversations + n_turns + jsonb_array_length(r -> 'events');
  inserted int;
  its_tenant text;
begin
  if total > places then
    raise exception 'too many rows in one transaction' using errcode = '54000';
  end if;
  update sessions set
      log_bytes = log_bytes + (select coalesce(sum((e ->> 'bytes')::bigint), 0) from jsonb_array_elements(r -> 'events') e),
      last_cursor = first_cursor + total,
      tasks_seq = case when r ? 'tasks_seq' then (r ->> 'tasks_seq')::bigint else tasks_seq end,
      tasks_cursor = case when r ? 'tasks_seq' then first_cursor else tasks_cursor end
    where id = sid and last_cursor < first_cursor
    returning tenant into its_tenant;
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
  insert into events (session_id, seq, cursor, at, turn_id, type, bytes, history, data, tenant)
    select sid, x.seq, first_cursor + n_conversations + n_turns + e.n - 1, x.at, x.turn_id, x.type, x.bytes, x.history, x.data,
      case when x.type <> 'agent.message' then its_tenant end
    from jsonb_array_elements(r -> 'events') with ordinality e (row, n),
      jsonb_to_record(e.row) as x (seq bigint, at text, turn_id text, type text, bytes int, history boolean, data text);
  return total + 1;
end $$;

-- As in 002-apply-writes.sql, and with the tenant of control events.
create or replace function append_events(sid text, es jsonb, at_cursor bigint) returns jsonb language plpgsql as $$
declare
  n int := jsonb_array_length(es);
  total bigint;
  with_tasks jsonb;
  first_seq bigint;
  its_tenant text;
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
    returning last_seq - n + 1, tenant into first_seq, its_tenant;
  if first_seq is null then
    if exists (select from sessions where id = sid) then
      raise exception 'a transaction that began later has written to this session' using errcode = '40001';
    end if;
    raise exception 'no session % to append to', sid using errcode = '23503';
  end if;
  if n = 1 then
    insert into events (session_id, seq, cursor, at, turn_id, type, bytes, history, data, tenant)
      select sid, first_seq, at_cursor, r.at, r.turn_id, r.type, r.bytes, r.history, r.data,
        case when r.type <> 'agent.message' then its_tenant end
      from jsonb_to_record(es -> 0) as r (at text, turn_id text, type text, bytes int, history boolean, data text);
    if with_tasks is not null then with_tasks := case when with_tasks = 'true' then '1' else '0' end; end if;
  else
    insert into events (session_id, seq, cursor, at, turn_id, type, bytes, history, data, tenant)
      select sid, first_seq + e.n - 1, at_cursor + e.n - 1, r.at, r.turn_id, r.type, r.bytes, r.history, r.data,
        case when r.type <> 'agent.message' then its_tenant end
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
