SELECT bool_and(age = CASE WHEN id < 100 THEN 1 ELSE id * 2 END AND low = CASE WHEN id BETWEEN 50 AND 150 THEN 'set' ELSE name END) FROM users
