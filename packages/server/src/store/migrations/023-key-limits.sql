-- What a key may use, as JSON.
alter table api_keys add column limits text;
