alter table turns add column initiator text not null default 'user';
alter table turns add column wait_for text not null default 'turn';
alter table turns add column settled_at text;
alter table turns add column urgent integer not null default 0;
-- a turn that the agent begins by itself was never queued: its story begins here
create index events_turn_started on events (turn_id) where type = 'turn.started';
-- what is written to find out whether anything can be written
create table probe (id integer primary key check (id = 1), at text not null) strict;
