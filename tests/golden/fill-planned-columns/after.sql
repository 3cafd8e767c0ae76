SELECT bool_and(said IS NOT DISTINCT FROM CASE WHEN id % 2 = 0 THEN length(name) || ' green' END) FROM users
