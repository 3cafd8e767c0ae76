SELECT bool_and("val; DROP $1 {0}" <= '3') AND count(*) > 10 FROM "a.b ""c"."Select ""x"
