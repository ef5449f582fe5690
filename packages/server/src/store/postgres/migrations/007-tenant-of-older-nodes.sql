-- A node of the version before names no tenant. Its sessions are of the default one, until it is replaced.
create function default_tenant() returns trigger language plpgsql as $$
begin
  new.tenant := 'default';
  return new;
end $$;
create trigger default_tenant before insert on sessions for each row when (new.tenant is null) execute function default_tenant();
