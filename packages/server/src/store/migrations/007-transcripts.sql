-- How much of the transcript, in bytes, is known to be this session's own; null is "not looked at yet".
alter table sessions add column transcript_seen integer;
