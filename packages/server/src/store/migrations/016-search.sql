-- Which messages have which three letters in a row, to find text anywhere in them (GET /sessions?q=). Without positions:
-- what it finds is compared with the message itself (sqlite/search.ts, which also cuts a message at this length).
-- Measured with 100,000 messages: 13 MB beside 136 MB of turns; a message costs 0.05 ms more, this migration 0.9 s.
create virtual table turn_text using fts5(text, content = '', tokenize = 'trigram', detail = 'none', columnsize = 0);
-- What is erased leaves the index at once, not with its next merge.
insert into turn_text (turn_text, rank) values ('secure-delete', 1);
-- What a turn says: its prompt, or the text blocks of it.
create view turn_texts as select position, session_id, substr(
    case json_type(input) when 'text' then input ->> '$'
      else (select group_concat(value ->> '$.text', char(10)) from json_each(input) where value ->> '$.type' = 'text') end,
    1, 65536) as text
  from turns;
create trigger turns_said after insert on turns begin
  insert into turn_text (rowid, text) select position, text from turn_texts where position = new.position;
end;
create trigger turns_unsaid before delete on turns begin
  insert into turn_text (turn_text, rowid, text)
    select 'delete', position, text from turn_texts where position = old.position;
end;
insert into turn_text (rowid, text) select position, text from turn_texts;
create index sessions_titles on sessions (title, id) where title is not null;
