#include <dial/resolver.hpp>
#include <resolve/threads.hpp>

#include <boost/asio/error.hpp>

#include <utility>

namespace dial {

void resolver_base::start_records(const lookup&, answer_handler done) {
    done(answer{boost::asio::error::no_data});
}

void resolver::start(const lookup& question, answer_handler done) const {
    resolver_base& base = base_ ? *base_ : resolve::process_resolver();
    if (question.family() == address_family::any)
        base.start_records(question, std::move(done));
    else
        base.start(question, std::move(done));
}

}  // namespace dial
