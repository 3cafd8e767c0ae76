SELECT count(*) = 200 AND bool_and(title = 'n' || id) FROM events
