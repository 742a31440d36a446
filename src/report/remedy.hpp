// Why a dial failed and what to do about it, in words. Pure.
#pragma once

#include <dial/error.hpp>
#include <dial/report.hpp>

#include <string>
#include <string_view>

namespace dial::reporting {

struct explanation {
    std::string cause;   // what went wrong
    std::string remedy;  // what to do about it; may be empty
};

// `error` by itself; on a unix socket some errors have other causes.
explanation explain(const error_code& error, bool unix_socket = false);

// `error` of an attempt with a note: an option that the kernel refused, in one word, or a sentence that says it all.
explanation explain(const error_code& error, std::string_view note, bool unix_socket = false);

// A sentence, rather than the name of an option.
bool is_sentence(std::string_view note);

// The attempt whose note says more about the error of the whole; none if no note does.
const report::attempt* most_telling_note(const report& story);

// A dial that failed: target, cause, remedy. On one line.
std::string headline(const report& story);

}  // namespace dial::reporting
