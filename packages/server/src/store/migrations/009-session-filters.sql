-- the sessions of one folder, and all of them: without an index each page sorts every session there is
create index sessions_by_folder on sessions (cwd, last_activity, id);
create index sessions_by_time on sessions (last_activity, id);
