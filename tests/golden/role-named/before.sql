CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL);
INSERT INTO users SELECT i, 'user ' || i FROM generate_series(1, 300) i;
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF current_user <> ''golden_owner'' THEN RAISE ''written by %'', current_user; END IF; RETURN NEW; END';
CREATE TRIGGER note BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION note();
