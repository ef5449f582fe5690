-- Where a tenant wants to be told of events. The secret signs what is sent, so it is kept as it is.
create table webhooks (
  tenant text collate "C" not null,
  id text collate "C" not null,
  url text not null,
  -- The types that it wants, as a JSON array.
  events text not null,
  secret text not null,
  description text,
  status text not null,
  created_at text collate "C" not null,
  created_by text,
  -- It is told of events behind this cursor.
  since bigint not null,
  primary key (tenant, id)
);

-- Up to here every event has been looked at.
create table webhook_cursor (id int primary key, cursor bigint not null);

-- What is sent, or was: an outbox and a log.
create table webhook_deliveries (
  tenant text collate "C" not null,
  webhook_id text collate "C" not null,
  id text collate "C" not null,
  type text not null,
  session_id text collate "C",
  body text not null,
  state text not null,
  attempts int not null,
  -- Milliseconds since 1970; while an attempt is under way, when another may begin.
  due_at bigint not null,
  -- The HTTP status of the last attempt.
  status int,
  error text,
  created_at text collate "C" not null,
  settled_at text collate "C",
  primary key (tenant, webhook_id, id)
);
create index webhook_deliveries_due on webhook_deliveries (due_at) where state = 'pending';
create index webhook_deliveries_by_time on webhook_deliveries (tenant, webhook_id, created_at, id);
create index webhook_deliveries_settled on webhook_deliveries (settled_at) where settled_at is not null;
create index webhook_deliveries_by_session on webhook_deliveries (session_id) where session_id is not null;
