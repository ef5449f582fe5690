-- What was answered or has ended, in all sessions, the last first.
create index permissions_settled on permissions (resolved_at collate "C", id) where state <> 'pending';
