-- Where the agent works now, when that is not the session's own folder: in a worktree.
alter table sessions add column worktree text;
