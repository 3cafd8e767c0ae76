SELECT NOT EXISTS (SELECT FROM users u FULL JOIN witness w USING (id)
  WHERE (u.full_name, u.remark) IS DISTINCT FROM (w.name, w.note))
