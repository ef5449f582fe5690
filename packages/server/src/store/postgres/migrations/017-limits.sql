-- What a key may use, as JSON.
alter table api_keys add column limits text;

-- Requests in the present minute, by key and by tenant: the form is that of rate-limiter-flexible. They are worth
-- nothing after a crash, so no log is written for them.
create unlogged table rates (key text collate "C" primary key, points int not null, expire bigint);
