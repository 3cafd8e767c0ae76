CREATE TABLE t (id int, name text);
CREATE VIEW a_view AS SELECT * FROM t;
CREATE MATERIALIZED VIEW a_matview AS SELECT * FROM t;
CREATE TABLE parent (id int, name text);
CREATE TABLE child () INHERITS (parent);
CREATE TABLE parts (id int, name text) PARTITION BY LIST (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1);
CREATE SEQUENCE a_sequence;
