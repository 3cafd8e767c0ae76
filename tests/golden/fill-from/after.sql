SELECT bool_and(city IS NOT DISTINCT FROM CASE WHEN id = 7 THEN 'as it was' WHEN id <= 400 THEN 'city ' || id || ' of user ' || id END
                AND zip IS NOT DISTINCT FROM CASE WHEN id <= 400 THEN id::text END) FROM users
