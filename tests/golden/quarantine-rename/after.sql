-- true when every value arrived under the new name
SELECT NOT EXISTS (SELECT FROM users u FULL JOIN witness w USING (id) WHERE u.full_name IS DISTINCT FROM w.name)
