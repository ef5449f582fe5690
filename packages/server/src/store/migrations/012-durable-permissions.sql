-- Whether a request can wait without its agent process, and what the process that asks again is told.
alter table permissions add column durable integer not null default 0;
alter table permissions add column decision text;
create index permissions_of_call on permissions (session_id, tool_use_id) where tool_use_id is not null;
