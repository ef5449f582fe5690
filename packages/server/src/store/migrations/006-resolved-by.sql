-- who answered a permission request, as JSON
alter table permissions add column resolved_by text;
