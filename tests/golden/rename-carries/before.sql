-- Everything that rename_column carries, once on a text and once on a number.
CREATE COLLATION "golden ""odd"" one" (provider = libc, locale = 'C');
CREATE TABLE users (id bigint PRIMARY KEY,
  name varchar(20) COLLATE "C" DEFAULT 'it''s \ me' NOT NULL,
  balance numeric(10,2) DEFAULT 0 NOT NULL,
  odd varchar(7) COLLATE "golden ""odd"" one");
COMMENT ON COLUMN users.name IS E'what it''s called\n\\ 100 %, {0} $1 $body$';
ALTER TABLE users ALTER name SET STORAGE EXTERNAL, ALTER name SET COMPRESSION pglz, ALTER name SET STATISTICS 250;
ALTER TABLE users ALTER balance SET STORAGE PLAIN, ALTER balance SET STATISTICS 0;
GRANT SELECT (name), INSERT (name) ON users TO PUBLIC;
GRANT SELECT (name), UPDATE (name), REFERENCES (name) ON users TO golden_reader WITH GRANT OPTION;
GRANT UPDATE (name, balance) ON users TO "golden ""odd"" role";
INSERT INTO users (id, name) SELECT i, 'user ' || i FROM generate_series(1, 500) i;
