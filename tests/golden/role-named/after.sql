SELECT count(*) = 300 AND (SELECT string_agg(DISTINCT who, ',') FROM log) = 'golden_owner' FROM users WHERE loud = upper(name)
