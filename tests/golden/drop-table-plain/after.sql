SELECT (SELECT count(*) FROM orgs) = 1 AND to_regclass('users_id_seq') IS NULL AND to_regclass('witness') IS NOT NULL
