-- Who changed what. Rows are added, and removed when they are old; nothing else happens to them.
create table audit (
  -- The time of the request in milliseconds, as 12 hexadecimal digits, and 12 more: sorts by time.
  id text primary key,
  at text not null,
  -- The session's, or the caller's; null for a caller that nobody knows.
  tenant text,
  actor_kind text not null,
  actor text,
  role text,
  actor_tenant text,
  address text,
  user_agent text,
  request_id text,
  action text not null,
  method text not null,
  session_id text,
  -- A JSON object of texts.
  params text not null,
  status integer not null,
  problem text,
  -- How many requests the row stands for.
  count integer not null
) without rowid;
create index audit_by_tenant on audit (tenant, id);
create index audit_by_session on audit (session_id, id) where session_id is not null;
create index audit_by_actor on audit (actor, id) where actor is not null;

create trigger audit_no_update before update on audit begin
  select raise(abort, 'the audit log is append-only');
end;
-- Retention keeps a day at least.
create trigger audit_no_delete before delete on audit
when old.at > strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-1 day') begin
  select raise(abort, 'the audit log is append-only');
end;
