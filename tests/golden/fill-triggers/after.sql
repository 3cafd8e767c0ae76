SELECT (SELECT bool_and(updated = 'now' AND age = length(name)) FROM users)
  AND (SELECT count(*) >= 300 AND bool_and(what = 'ROW' OR who IN ('once', 'of_age', 'own')) FROM lab.log)
  AND NOT EXISTS (SELECT FROM lab.log WHERE who IN ('never', 'off', 'of_name', 'gone', 'replicas'))
  AND (SELECT count(DISTINCT who) FROM lab.log) = 6
