-- The home whose sessions are being moved here (claude-agent-server migrate), or were. As long as it has no end, no node
-- starts on this database. Its id is also in the home; `copied` has the last key and the number of rows of each table.
create table moved_home (
  id int primary key check (id = 1),
  move text not null,
  begun_at timestamptz not null,
  ended_at timestamptz,
  copied jsonb not null
) with (fillfactor = 20);
