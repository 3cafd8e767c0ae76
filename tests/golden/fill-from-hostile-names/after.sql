SELECT bool_and("va'l ""ue" = id::text) FROM "a.b ""c"."Select ""x"
