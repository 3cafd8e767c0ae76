#include "orchestrator/postgres/trial.h"

#include <boost/json.hpp>

namespace weir {

Batch trial(Batch const& batch) {
    std::vector<Sql> statements;
    for (auto const& statement : batch) statements.push_back(sql("    EXECUTE {0};\n", Value{statement.text()}));
    return {
        // Nothing of it is worth a wait for the disk or for a standby.
        sql("SET LOCAL synchronous_commit = off"),
        sql("DO {0}", Sql::body(sql(R"(
DECLARE
  code pg_catalog.text;
  words pg_catalog.text;
BEGIN
  BEGIN
{0}    RAISE EXCEPTION USING ERRCODE = 'WE105';
  EXCEPTION
    WHEN SQLSTATE 'WE105' THEN NULL;
    WHEN OTHERS THEN
      GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, words = MESSAGE_TEXT;
      IF pg_catalog.substr(code, 1, 2) OPERATOR(pg_catalog.=) ANY ('{{08,40,53,54,55,57,58,P0,XX}}'::pg_catalog.text[]) THEN
        RAISE;
      END IF;
  END;
  PERFORM pg_catalog.set_config('weir.answer',
    pg_catalog.json_build_array(code, words)::pg_catalog.text, true);
END
)",
                                    Sql::join(statements, "")))),
        sql("SELECT pg_catalog.current_setting('weir.answer')"),
    };
}

std::optional<TrialAnswer> trial_answer(Outcome const& outcome) {
    namespace json = boost::json;
    if (outcome.fate != Fate::done || outcome.rows.empty() || outcome.rows[0].fields.empty()) return std::nullopt;
    auto const document = outcome.rows[0].fields[0].value_or("");
    json::error_code error;
    auto const value = json::parse(document, error);
    if (error || !value.is_array() || value.get_array().size() != 2) return std::nullopt;
    auto const text = [&](std::size_t i) {
        auto const& one = value.get_array()[i];
        return one.is_string() ? std::string{one.get_string().data(), one.get_string().size()} : std::string{};
    };
    return TrialAnswer{text(0), text(1)};
}

}  // namespace weir
