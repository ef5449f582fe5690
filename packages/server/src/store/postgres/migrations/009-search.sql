-- What lists are filtered by, apart from the rows that change with each turn: an update of those would write to the indexes
-- of each word again. Filled by triggers, so that whatever writes sessions and turns keeps them.

-- A list begins at its place in one of these and reads no session that it does not want.
create index sessions_by_folder_and_status on sessions (cwd, status, last_activity, id);
create index sessions_by_tenant_and_status on sessions (tenant, status, last_activity, id);

create table session_labels (
  session_id text collate "C" primary key,
  title text,
  tags text[] collate "C" not null
);
create index session_labels_by_tag on session_labels using gin (tags) with (gin_pending_list_limit = 256);

create function label_session() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' then
    delete from session_labels where session_id = old.id;
  elsif new.title is null and new.tags = '{}' then
    delete from session_labels where session_id = new.id;
  else
    insert into session_labels values (new.id, new.title, new.tags)
      on conflict (session_id) do update set title = excluded.title, tags = excluded.tags;
  end if;
  return null;
end $$;
create trigger session_labelled after insert on sessions for each row execute function label_session();
create trigger session_relabelled after update of title, tags on sessions for each row
  when (old.title is distinct from new.title or old.tags is distinct from new.tags) execute function label_session();
create trigger session_unlabelled after delete on sessions for each row execute function label_session();

-- What each message says: its prompt, or the text blocks of it; of a long one the beginning.
create table turn_texts (
  session_id text collate "C" not null,
  position bigint not null,
  text text not null,
  primary key (session_id, position)
);

create function said_in(input text) returns text language plpgsql immutable as $$
declare
  -- PostgreSQL takes no NUL and no half of a character out of its JSON.
  said json := regexp_replace(input, '\\u(0000|d[89a-f][0-9a-f]{2})', '\\ufffd', 'g');
begin
  if json_typeof(said) = 'string' then return left(said #>> '{}', 65536); end if;
  return (select left(string_agg(block ->> 'text', chr(10)), 65536) from json_array_elements(said) block
          where block ->> 'type' = 'text');
end $$;

create function say_turn() returns trigger language plpgsql as $$
begin
  insert into turn_texts values (new.session_id, new.position, coalesce(said_in(new.input), ''));
  return null;
end $$;
create function unsay_turn() returns trigger language plpgsql as $$
begin
  delete from turn_texts where session_id = old.session_id and position = old.position;
  return null;
end $$;
create trigger turn_said after insert on turns for each row execute function say_turn();
create trigger turn_unsaid after delete on turns for each row execute function unsay_turn();

insert into turn_texts select session_id, position, coalesce(said_in(input), '') from turns;
insert into session_labels select id, title, tags from sessions where title is not null or tags <> '{}';

-- Letter triples find text anywhere. The extension is part of PostgreSQL and any owner of a database may create it; where
-- that fails, a search reads all texts (postgres/text-index.ts says so). A small pending list: who writes when it is
-- full merges it into the index.
do $$
declare
  place text;
begin
  create extension if not exists pg_trgm;
  select n.nspname into place from pg_extension e join pg_namespace n on n.oid = e.extnamespace where extname = 'pg_trgm';
  execute format('create index turn_texts_by_text on turn_texts using gin (text %I.gin_trgm_ops)
    with (gin_pending_list_limit = 256)', place);
  execute format('create index session_labels_by_title on session_labels using gin (title %I.gin_trgm_ops)
    with (gin_pending_list_limit = 256)', place);
exception when others then
  raise notice 'no index for texts: %', sqlerrm;
end $$;

-- Whether a text or tags are in few rows, by the planner's estimate: then their indexes are asked first. A bitmap of many
-- takes longer than to walk the newest sessions until a page is full.
create function are_few(pattern text, wanted text[]) returns boolean language plpgsql volatile as $$
declare
  plan json;
begin
  if pattern is not null then
    if to_regclass('turn_texts_by_text') is null then return false; end if;
    execute format('explain (format json) select from turn_texts where text ilike %L escape ''\''', pattern) into plan;
    if (plan -> 0 -> 'Plan' ->> 'Plan Rows')::float8 < 2000 then return true; end if;
  end if;
  if wanted is not null then
    execute format('explain (format json) select from session_labels where tags @> %L', wanted) into plan;
    return (plan -> 0 -> 'Plan' ->> 'Plan Rows')::float8 < 2000;
  end if;
  return false;
end $$;

-- Sessions with a text in their title or in a message, with these tags, or with both: always by the indexes, if there are any.
create function sessions_found(pattern text, wanted text[]) returns setof text language plpgsql stable rows 100
set enable_seqscan = off set plan_cache_mode = force_custom_plan as $$
begin
  if pattern is not null and to_regclass('turn_texts_by_text') is null then
    perform set_config('enable_seqscan', 'on', true);
  end if;
  if pattern is null then
    return query select l.session_id::text from session_labels l where l.tags @> wanted;
  elsif wanted is null then
    return query
      select t.session_id::text from turn_texts t where t.text ilike pattern escape '\'
      union select l.session_id::text from session_labels l where l.title ilike pattern escape '\';
  else
    return query
      (select t.session_id::text from turn_texts t where t.text ilike pattern escape '\'
       union select l.session_id::text from session_labels l where l.title ilike pattern escape '\')
      intersect select l.session_id::text from session_labels l where l.tags @> wanted;
  end if;
end $$;
