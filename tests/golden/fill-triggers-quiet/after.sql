SELECT (SELECT count(*) FILTER (WHERE age IS DISTINCT FROM length(name)) = 0 FROM users)
  AND (SELECT array_agg(DISTINCT who ORDER BY who) = '{everywhere,replicas}' FROM lab.log)
