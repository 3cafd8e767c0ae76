#include <sstream>
#include <string_view>

#include "phases/program.h"
#include "plans/plan.h"

namespace weir {
namespace {

/// A text of what decides, in which every value has its length before it: no two programs write the same.
class Canon {
  public:
    Canon& operator()(std::string_view word) {
        out_ << word.size() << ':' << word << '\n';
        return *this;
    }
    Canon& operator()(std::string const& word) { return (*this)(std::string_view{word}); }
    Canon& operator()(char const* word) { return (*this)(std::string_view{word}); }
    Canon& operator()(bool truth) { return (*this)(truth ? "yes" : "no"); }
    Canon& operator()(std::int64_t number) { return (*this)(std::to_string(number)); }
    Canon& operator()(TableName const& table) { return (*this)(table.schema.text())(table.name.text()); }
    Canon& operator()(Ident const& name) { return (*this)(name.text()); }
    Canon& operator()(Sql const& statement) { return (*this)(statement.text()); }
    Canon& operator()(TableLock const& lock) { return (*this)(lock.table)(name(lock.mode)); }
    Canon& operator()(Assignment const& assignment) { return (*this)(assignment.column)(assignment.value); }
    template <class T>
    Canon& operator()(std::vector<T> const& all) {
        (*this)(static_cast<std::int64_t>(all.size()));
        for (auto const& one : all) (*this)(one);
        return *this;
    }
    template <class T>
    Canon& operator()(std::optional<T> const& one) {
        (*this)(one.has_value());
        if (one) (*this)(*one);
        return *this;
    }
    Canon& operator()(Fragment const& one) {
        return (*this)(one.set)(one.todo)(one.miss_after_gate)(one.fill_after_gate)(one.guard)(one.ends_with);
    }
    Canon& operator()(Rows const& rows) {
        return (*this)(rows.table)(rows.fragments)(rows.settings)(rows.session)(rows.role)(rows.erases)(
            !rows.never_in_page.empty());
    }
    Canon& operator()(UndoLoss const& loss) { return (*this)(loss.rows)(loss.any)(loss.none_while); }
    Canon& operator()(Deed const& deed) {
        (*this)(deed.statements)(deed.locks)(deed.standalone)(deed.scans)(deed.may_fail)(deed.probe)(deed.repair);
        return (*this)(deed.guard)(deed.proves)(deed.lost_counter)(deed.loses);
    }
    Canon& operator()(Step const& s) {
        (*this)(s.id)(name(s.phase))(kind_name(s))(s.stands_on_proof)(s.proven_by)(s.whole_table)(s.aside)(s.noted_for);
        return (*this)(s.rows)(s.destroys)(s.saves)(s.forward)(s.undo);
    }
    std::string text() const { return out_.str(); }

  private:
    std::ostringstream out_;
};

}  // namespace

std::string hash_of(Program const& program) {
    Canon canon;
    canon(program.plan)(program.steps)(program.gate);
    canon(program.gate_after ? std::optional{program.gate_after->count()} : std::nullopt);
    canon(program.gate_until ? std::optional{program.gate_until->text()} : std::nullopt);
    canon(program.gate_session)(std::int64_t{program.approvals})(std::int64_t{program.quarantine.count()});
    return fingerprint(canon.text());
}

}  // namespace weir
