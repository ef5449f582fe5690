-- The number of the user that a tenant's agents run as. No row is ever removed: a number is given once.
create table tenant_uids (
  tenant text primary key,
  uid integer not null unique
) strict, without rowid;
