CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL, city text, zip text);
INSERT INTO users SELECT i, 'user ' || i, CASE WHEN i = 7 THEN 'as it was' END FROM generate_series(1, 500) i;
CREATE SCHEMA shop;
CREATE TABLE shop.addresses (id bigserial, user_id bigint, kind text, city text, zip text, name text DEFAULT 'not the user''s');
INSERT INTO shop.addresses (user_id, kind, city, zip)
  SELECT i, k, 'city ' || i, i::text FROM generate_series(1, 400) i, unnest('{home,work}'::text[]) k;
CREATE INDEX ON shop.addresses (user_id);
