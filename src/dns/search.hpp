// Decides which absolute names are asked for when a name is looked for in the search domains, and which of them is the one
// (resolv.conf(5), res_search(3)). Pure: whoever drives it asks, and tells what came of it.
//
// Both families have one search, so that they never end with the addresses of two different hosts: the first name that has an
// address of either family is the one. That is why a name without addresses of one family is left only after the other
// family has been asked for as well, even where nobody wants its addresses (a probe).
#pragma once

#include <race/engine.hpp>

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dial::dns {

using race::family;

// The names to ask for, in their order; each as it is to be sent, without a final dot. None where no name can be made of
// `name`: each would be empty, or longer than 253 bytes.
std::vector<std::string> names_for(std::string_view name, std::span<const std::string> domains, int ndots);

// What came of one query.
enum class outcome : unsigned char {
    addresses,
    nothing,        // the name exists, without addresses of this family
    no_such_name,   // NXDOMAIN
    server_failed,  // SERVFAIL: it may be this name only, and the search goes on
    failed,         // no answer, a refusal, …: the search is over for this family
};

// Drive it so: want() the families that are asked for, now or later; send what next() says; tell what came of each query
// by on_outcome(); after each of these, see whether there is a result() for the families that are wanted.
class search {
public:
    struct query {
        std::size_t name;  // index into the names
        family of;
        bool operator==(const query&) const = default;
    };

    // What a family's lookup came to. `name` is that whose answer it was; with no names at all, it is 0.
    struct end {
        outcome how;
        std::size_t name;
        bool operator==(const end&) const = default;
    };

    explicit search(std::size_t names);

    // Addresses of this family are asked for. What a probe has found out is not asked again: keep the last answer of each
    // family.
    void want(family f) { state_of(f).wanted = true; }

    // The queries to be sent now, IPv6 first; each is said once.
    std::vector<query> next();

    // Of a query that next() said; anything else is ignored.
    void on_outcome(const query& q, outcome came);

    // How the lookup of this family ended; nothing yet, while that is not known. It stays as it is.
    std::optional<end> result(family f) const { return state_of(f).ended; }

private:
    struct state {
        bool wanted = false;
        bool out = false;                                             // a query for the current name is under way
        std::optional<outcome> here = {};                             // of the current name
        std::optional<std::size_t> server_failed = {}, nothing = {};  // at which of the names before, first
        std::optional<end> ended = {};
    };

    state& state_of(family f) { return states_[static_cast<std::size_t>(f)]; }
    const state& state_of(family f) const { return states_[static_cast<std::size_t>(f)]; }
    bool found() const;
    bool is_last() const { return current_ + 1 >= names_; }
    bool is_settled(family f) const;
    bool is_to_go_on(family f) const;
    bool is_to_be_probed(family f) const;
    bool is_to_go_on() const;
    void go_on();
    std::optional<end> verdict(family f) const;
    end summary_of(const state& s) const;

    std::size_t names_, current_ = 0;
    std::array<state, 2> states_{};
};

}  // namespace dial::dns
