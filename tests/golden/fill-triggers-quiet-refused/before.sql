-- as: golden_app
CREATE TABLE users (id int PRIMARY KEY, code text UNIQUE, boss int REFERENCES users, rank int, place int, name text, loose text, room int4range, age int);
CREATE TABLE orders (id int PRIMARY KEY, code text REFERENCES users (code));
ALTER TABLE users ADD UNIQUE (rank) DEFERRABLE, ADD UNIQUE (place), ADD EXCLUDE USING gist (room WITH &&) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE users OWNER TO golden_app;
ALTER TABLE orders OWNER TO golden_app;
CREATE TABLE parts (id int, kind int, name text) PARTITION BY LIST (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1);
ALTER TABLE parts_1 ADD CONSTRAINT kind FOREIGN KEY (kind) REFERENCES users;
ALTER TABLE parts OWNER TO golden_app;
ALTER TABLE parts_1 OWNER TO golden_app;
