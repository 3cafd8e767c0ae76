SELECT count(*) = 200 AND bool_and(id % 4 >= 2) FROM events
