CREATE TABLE events (id bigint NOT NULL, kind integer NOT NULL, note text NOT NULL DEFAULT 'none', remark text) PARTITION BY LIST (kind);
DO $$ BEGIN FOR i IN 1..50 LOOP EXECUTE format('CREATE TABLE events_%s PARTITION OF events FOR VALUES IN (%s)', i, i); END LOOP; END $$;
INSERT INTO events SELECT i, 1 + i % 50, 'n' || i, NULL FROM generate_series(1, 200) i;
