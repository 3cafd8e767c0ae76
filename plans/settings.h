#pragma once
/// The part of the plan reader that knows the settings: everything of a plan but its frame and its operations. Each
/// function reads what stands under one key into what it is given, and tells the reader of every problem; where there
/// is one, what was read of that key is not to be used.
#include <optional>
#include <string>
#include <string_view>

#include "plans/node_reader.h"
#include "plans/plan.h"

namespace weir {

/// All settings that stand among the members of the plan; what does not stand there keeps its value.
void read_settings(NodeReader& reader, Found const& top, Plan& into);

/// Of `batch`, `throttle` and `locks`, the groups of which an order may change something while a run lives.
void read_batch(NodeReader& reader, YamlNode const& node, Settings& into);
void read_throttle(NodeReader& reader, YamlNode const& node, Throttle& into);
void read_locks(NodeReader& reader, YamlNode const& node, Settings& into);
void read_schedule(NodeReader& reader, YamlNode const& node, Schedule& into);

// What more than one of them is made of; `what` is the dotted key, for the message.

/// A duration inside the bounds; false, a problem, and `into` as it was, when it is none.
bool read_time(NodeReader& reader, YamlNode const& node, std::string_view what, keys::Bounds const& bounds,
               Millis& into);
/// An address that begins with http:// or https:// and holds no user or password.
void check_url(NodeReader& reader, YamlNode const& node, std::string const& what, std::string const& url);
/// One SELECT, in brackets; `hint` says what is wanted.
std::optional<UserExpr> read_select(NodeReader& reader, YamlNode const& node, std::string const& text,
                                    std::string hint);

}  // namespace weir
