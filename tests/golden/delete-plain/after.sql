SELECT (SELECT count(*) = 667 AND bool_and(kind <> 'kind 0') FROM events) AND (SELECT count(*) = 333 AND count(DISTINCT id) = 333 FROM lab.gone)
