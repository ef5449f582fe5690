-- Where a tenant wants to be told of events. The secret signs what is sent, so it is kept as it is.
create table webhooks (
  tenant text not null,
  id text not null,
  url text not null,
  -- The types that it wants, as a JSON array.
  events text not null,
  secret text not null,
  description text,
  status text not null,
  created_at text not null,
  created_by text,
  -- It is told of events behind this cursor.
  since integer not null,
  primary key (tenant, id)
) without rowid;

-- Up to here every event has been looked at.
create table webhook_cursor (id integer primary key, cursor integer not null);

-- What is sent, or was: an outbox and a log.
create table webhook_deliveries (
  tenant text not null,
  webhook_id text not null,
  id text not null,
  type text not null,
  session_id text,
  body text not null,
  state text not null,
  attempts integer not null,
  -- Milliseconds since 1970; while an attempt is under way, when another may begin.
  due_at integer not null,
  -- The HTTP status of the last attempt.
  status integer,
  error text,
  created_at text not null,
  settled_at text,
  primary key (tenant, webhook_id, id)
) without rowid;
create index webhook_deliveries_due on webhook_deliveries (due_at) where state = 'pending';
create index webhook_deliveries_by_time on webhook_deliveries (tenant, webhook_id, created_at, id);
create index webhook_deliveries_settled on webhook_deliveries (settled_at) where settled_at is not null;
create index webhook_deliveries_by_session on webhook_deliveries (session_id) where session_id is not null;
