SELECT (SELECT count(*) = 89 OR count(*) = 90 FROM events) AND (SELECT max(user_id) = 100 AND count(*) = 100 FROM visits)
