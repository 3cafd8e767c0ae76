CREATE DOMAIN level AS int CHECK (VALUE > 0);
CREATE TABLE t (id int PRIMARY KEY, digits int, level level);
