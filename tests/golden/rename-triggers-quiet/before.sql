CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL, updated int NOT NULL DEFAULT 0);
INSERT INTO users SELECT i, 'user ' || i FROM generate_series(1, 300) i;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.updated := OLD.updated + 1; RETURN NEW; END $$;
CREATE TRIGGER touch BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION touch();
