CREATE TABLE articles (id bigint PRIMARY KEY, name text NOT NULL, slug text, token uuid, seen timestamptz, number bigint, parity text);
INSERT INTO articles SELECT i, 'An Article, ' || i FROM generate_series(1, 500) i;
UPDATE articles SET slug = 'mine', token = '00000000-0000-0000-0000-000000000000', seen = '2001-01-01 UTC', number = -1, parity = 'kept'
  WHERE id = 250;
CREATE SEQUENCE numbers;
CREATE SCHEMA tools;
CREATE FUNCTION slugify(t text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT regexp_replace(lower(t), '[^a-z0-9]+', '-', 'g') $$;
CREATE FUNCTION tools.parity(i bigint) RETURNS text LANGUAGE plpgsql STABLE AS
  $$ BEGIN RETURN CASE WHEN i % 2 = 0 THEN 'even' ELSE 'odd' END; END $$;
