// What a dns_resolver and its copies share: a channel for each io_context that asks, and what resolv.conf says.
#pragma once

#include <dial/dns_resolver.hpp>
#include <dns/channel.hpp>
#include <dns/resolv_conf.hpp>
#include <resolve/watched_file.hpp>

#include <boost/asio/execution_context.hpp>

#include <memory>
#include <unordered_map>
#include <utility>

namespace dial {

class dns_resolver::core {
public:
    explicit core(dns_options options) : options_{std::move(options)}, file_{options_.resolv_conf()} {}
    ~core();
    core(const core&) = delete;
    core& operator=(const core&) = delete;

    void ask(const lookup& question, answer_handler done);

private:
    std::shared_ptr<dns::channel> channel_for(boost::asio::execution_context& context);
    dns::settings settings_now();

    const dns_options options_;
    // Under the process's mutex, so that it is free in the child of a fork:
    resolve::watched_file file_;
    dns::configuration configured_;
    std::unordered_map<boost::asio::execution_context*, std::shared_ptr<dns::channel>> channels_;
};

}  // namespace dial
