#include <dial/resolver.hpp>
#include <resolve/hosts_file.hpp>

#include <boost/asio/error.hpp>

#include <algorithm>
#include <utility>

namespace dial {

void static_resolver::start(const lookup& question, answer_handler done) {
    const std::string name = resolve::canonical(question.name());
    const auto found =
        std::ranges::find_if(entries_, [&](const entry& e) { return resolve::canonical(e.name()) == name; });
    if (found == entries_.end()) return done(answer{error_code{boost::asio::error::host_not_found}});
    done(answer{resolve::of_family(found->addresses(), question.family())});
}

}  // namespace dial
