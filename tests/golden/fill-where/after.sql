SELECT bool_and(age IS NOT DISTINCT FROM CASE WHEN id % 2 = 0 THEN id * 2 END) FROM users
