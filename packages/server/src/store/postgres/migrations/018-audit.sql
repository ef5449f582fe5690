-- Who changed what. Rows are added, and removed when they are old; nothing else happens to them.
create table audit (
  -- The time of the request in milliseconds, as 12 hexadecimal digits, and 12 more: sorts by time.
  id text collate "C" primary key,
  at text collate "C" not null,
  -- The session's, or the caller's; null for a caller that nobody knows.
  tenant text collate "C",
  actor_kind text not null,
  actor text collate "C",
  role text,
  actor_tenant text,
  address text,
  user_agent text,
  request_id text,
  action text not null,
  method text not null,
  session_id text collate "C",
  -- A JSON object of texts.
  params text not null,
  status int not null,
  problem text,
  -- How many requests the row stands for.
  count int not null
);
create index audit_by_tenant on audit (tenant, id);
create index audit_by_session on audit (session_id, id) where session_id is not null;
create index audit_by_actor on audit (actor, id) where actor is not null;

create function audit_append_only() returns trigger language plpgsql as $$
begin
  -- Retention keeps a day at least.
  if tg_op = 'DELETE' then
    if old.at <= to_char(now() at time zone 'utc' - interval '1 day', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') then
      return old;
    end if;
  end if;
  raise exception 'the audit log is append-only';
end $$;
create trigger audit_append_only before update or delete on audit for each row execute function audit_append_only();
create trigger audit_no_truncate before truncate on audit for each statement execute function audit_append_only();
