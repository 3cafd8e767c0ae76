CREATE TABLE users (name text NOT NULL);
INSERT INTO users VALUES ('the only one');
