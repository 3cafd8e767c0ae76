-- A column of such a domain cannot be added empty, or not without a rewrite.
CREATE DOMAIN filled AS text NOT NULL;
CREATE DOMAIN defaulted AS text DEFAULT 'x';
CREATE DOMAIN short AS text CHECK (length(VALUE) < 20);
CREATE DOMAIN shorter AS short;
CREATE DOMAIN mere AS text;
CREATE TABLE users (id bigint PRIMARY KEY, a filled, b defaulted, c short, d shorter, e mere);
