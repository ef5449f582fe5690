-- Keys that open the server, and tokens of one session (with session_id and the key that made them: parent). Of the secret
-- only its hash is here. They are found by their hash, so the table is global, like that of the nodes.
create table api_keys (
  id text collate "C" primary key,
  tenant text collate "C" not null,
  name text not null,
  role text not null,
  hash text collate "C" not null unique,
  -- After a rotation the old secret may work for a while.
  old_hash text collate "C" unique,
  old_until text collate "C",
  session_id text collate "C",
  parent text collate "C",
  created_at text not null,
  created_by text,
  expires_at text collate "C",
  revoked_at text,
  last_used_at text collate "C",
  budget_usd float8
);
create index api_keys_by_tenant on api_keys (tenant, id) where session_id is null;
create index api_keys_listed on api_keys (id) where session_id is null;
create index api_keys_tokens on api_keys (expires_at) where session_id is not null;
