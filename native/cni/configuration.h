// What the plugin must know of a network's configuration before the daemon reads all of it: by which socket to reach the daemon,
// and in which version of the specification to tell that it does not answer.
#pragma once

#include <string>
#include <string_view>

namespace memswitch::cni {

// The text that an object of JSON (RFC 8259) has under a name; '' where there is none, or something else. What is no JSON is
// not refused here: the daemon does.
std::string text_member(std::string_view json, std::string_view name);

// As a text of JSON, in quotes.
std::string quoted(std::string_view text);

}  // namespace memswitch::cni
