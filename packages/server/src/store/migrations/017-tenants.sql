-- The tenant that a session belongs to, for good. Control events have it too: a tenant's stream is read by it.
alter table sessions add column tenant text not null default 'default';
create index sessions_by_tenant on sessions (tenant, last_activity, id);
create index sessions_by_maker on sessions (tenant, created_by, last_activity, id);
alter table events add column tenant text default 'default';
create index events_of_tenant on events (tenant, cursor) where type <> 'agent.message';
