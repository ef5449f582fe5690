-- What a session's secrets are called and where they may go; values of callers are encrypted.
alter table sessions add column secrets text;
