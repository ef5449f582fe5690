-- The folder that the server made for a session, as JSON: where it is from, and its newest saved state.
alter table sessions add column workspace text;
