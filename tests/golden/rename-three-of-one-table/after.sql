SELECT NOT EXISTS (SELECT FROM people p FULL JOIN witness w USING (id)
  WHERE (p.full_name, p.nickname, p.points, p.seen) IS DISTINCT FROM (w.name::varchar, w.nick, w.score, w.seen))
