-- The node that owned the session last: where nodes have folders of their own, the session's folder is there.
alter table sessions add column node text collate "C";
