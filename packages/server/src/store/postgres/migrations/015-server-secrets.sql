-- Secrets that the server makes for itself, by what they are for: each is made once, and good for all nodes.
create table server_secrets (
  name text primary key,
  value text not null
);
