-- What a session's secrets are called and where they may go; values of callers are encrypted.
alter table sessions add column secrets text;

-- As in 002-apply-writes.sql, and with that column.
-- Applies the changes of one write. `used` is how many cursors the transaction has used. Returns those used after it, and
-- the first number and cursor of each run of events.
-- Raises CA001 with the index of the change whose condition does not hold.
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
