-- The server's keys for Web Push: one pair for all nodes.
create table push_keys (id integer primary key, public_key text not null, private_jwk text not null);

-- Browsers that are told of what waits for an answer. What is sent to them is in webhook_deliveries, under their id.
create table push_subscriptions (
  tenant text not null,
  id text not null,
  -- Who subscribed: the id of a key, of an identity provider's user, or local.
  owner text not null,
  role text not null,
  endpoint text not null,
  p256dh text not null,
  auth text not null,
  label text,
  created_at text not null,
  -- Null: as long as its key is good.
  expires_at text,
  -- It is told of events behind this cursor.
  since integer not null,
  primary key (tenant, id)
) without rowid;
create index push_subscriptions_by_owner on push_subscriptions (tenant, owner, created_at, id);
