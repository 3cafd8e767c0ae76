CREATE TABLE parts (id int, line text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (1) TO (100);
CREATE SCHEMA shop;
CREATE TABLE shop.orders (id int PRIMARY KEY);
CREATE TABLE shop.lines (id int PRIMARY KEY, of int REFERENCES shop.orders ON DELETE CASCADE);
INSERT INTO parts SELECT i, 'line ' || i FROM generate_series(1, 50) i;
INSERT INTO shop.orders SELECT i FROM generate_series(1, 50) i;
INSERT INTO shop.lines SELECT i, i FROM generate_series(1, 50) i;
