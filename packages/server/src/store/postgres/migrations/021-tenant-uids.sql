-- The number of the user that a tenant's agents run as, on every node. No row is ever removed: a number is given once.
create table tenant_uids (
  tenant text primary key,
  uid bigint not null unique
);
