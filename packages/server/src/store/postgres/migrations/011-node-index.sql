-- Whether an owner is alive is asked with every request for a session, of all nodes until now. Compared as sessions.owner is: the
-- column itself stays as it is, because prepared statements of running nodes return it. A heartbeat does not write to the
-- index.
create unique index nodes_by_incarnation on nodes (incarnation collate "C");
