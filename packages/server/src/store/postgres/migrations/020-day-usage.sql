-- What was used on each day (of UTC), by whom and of which model. Sums without days are in usage and key_usage.
create table usage_days (
  day text collate "C" not null,
  maker text collate "C" not null,
  tenant text collate "C" not null,
  model text collate "C" not null,
  -- Nodes add to different rows.
  slot int not null,
  input_tokens bigint not null,
  output_tokens bigint not null,
  cache_read_input_tokens bigint not null,
  cache_creation_input_tokens bigint not null,
  cost_usd float8 not null,
  primary key (day, maker, tenant, model, slot)
);
create index usage_days_by_tenant on usage_days (day, tenant);

-- Open sessions are counted when another one is opened.
create index sessions_open_by_maker on sessions (coalesce(created_by, 'local')) where status = 'connected' and hidden is null;
create index sessions_open_by_tenant on sessions (tenant) where status = 'connected' and hidden is null;

create function add_day_usage(whose text, by_whom text, u jsonb, my_slot int) returns void language sql as $$
  insert into usage_days
    select to_char(now() at time zone 'utc', 'YYYY-MM-DD'), by_whom, whose, r.model, my_slot, r.input_tokens, r.output_tokens,
      r.cache_read_input_tokens, r.cache_creation_input_tokens, r.cost_usd
    from jsonb_to_record(u) as r (model text, input_tokens bigint, output_tokens bigint, cache_read_input_tokens bigint,
      cache_creation_input_tokens bigint, cost_usd float8)
  on conflict (day, maker, tenant, model, slot) do update set
    input_tokens = usage_days.input_tokens + excluded.input_tokens,
    output_tokens = usage_days.output_tokens + excluded.output_tokens,
    cache_read_input_tokens = usage_days.cache_read_input_tokens + excluded.cache_read_input_tokens,
    cache_creation_input_tokens = usage_days.cache_creation_input_tokens + excluded.cache_creation_input_tokens,
    cost_usd = usage_days.cost_usd + excluded.cost_usd
$$;

-- As in 019-secrets.sql, and counts what was used today, and what limits allow. Nodes of the version before call it in the
-- same way.
create or replace function apply_changes(changes jsonb, base bigint, used int, out next_used int, out appended jsonb)
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
          workspace, secrets) =
        (select r.created_at, r.last_activity, r.status, r.title, r.metadata, r.tags, r.cwd, r.worktree, r.model,
          r.permission_mode, r.options, r.conversation_id, r.has_transcript, r.transcript_seen, r.forked_from, r.created_by,
          r.workspace, r.secrets
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
      perform add_day_usage(s.tenant, coalesce(s.created_by, 'local'), c -> 'r', my_slot) from sessions s where s.id = sid;
    when 'add-day-usage' then
      perform add_day_usage(c ->> 'tenant', c ->> 'maker', c -> 'r', my_slot);
    when 'limit' then
      -- One at a time counts and writes, so that two cannot both be the last. Read committed: each count sees what was written
      -- before it got the lock.
      perform pg_advisory_xact_lock(hashtextextended('limit', 0));
      if c ->> 'count' = 'live_sessions' then
        if c ? 'of_maker' then
          select count(*) <= (c ->> 'of_maker')::bigint into ok from sessions
            where coalesce(created_by, 'local') = c ->> 'maker' and status = 'connected' and hidden is null;
        end if;
        if ok and c ? 'of_tenant' then
          select count(*) <= (c ->> 'of_tenant')::bigint into ok from sessions
            where tenant = c ->> 'tenant' and status = 'connected' and hidden is null;
        end if;
      else
        if c ? 'of_maker' then
          select count(*) <= (c ->> 'of_maker')::bigint into ok from turns t where t.state = 'queued'
            and (select coalesce(s.created_by, 'local') from sessions s where s.id = t.session_id) = c ->> 'maker';
        end if;
        if ok and c ? 'of_tenant' then
          select count(*) <= (c ->> 'of_tenant')::bigint into ok from turns t where t.state = 'queued'
            and (select s.tenant from sessions s where s.id = t.session_id) = c ->> 'tenant';
        end if;
      end if;
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
