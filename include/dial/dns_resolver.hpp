// Asks DNS servers itself, without a thread: a resolver for programs that dial many names.
#pragma once

#include <dial/resolver.hpp>
#include <dial/time.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dial {

/// Which servers dns_resolver asks, and how. What is not set comes from resolv.conf(5).
class dns_options {
public:
    dns_options() = default;

    /// Another server, asked when those before it do not answer: "192.0.2.53", "192.0.2.53:5300", "2001:db8::53",
    /// "[2001:db8::53]:5300", "[fe80::1%eth0]:53". Throws std::invalid_argument for anything else. Once one is given, those of
    /// resolv.conf are not asked.
    dns_options& server(std::string_view address);
    const std::vector<std::string>& servers() const noexcept { return servers_; }  ///< each as "address:port"

    /// How long one server has for one try; later rounds wait longer. Default: `options timeout:` of resolv.conf, else 2 s.
    /// At least 1 ms.
    dns_options& timeout(duration one_try) {
        timeout_ = one_try;
        return *this;
    }
    const std::optional<duration>& timeout() const noexcept { return timeout_; }

    /// How often each server is asked. Default: `options attempts:` of resolv.conf, else 3. At least 1.
    dns_options& tries(int count) {
        tries_ = count;
        return *this;
    }
    const std::optional<int>& tries() const noexcept { return tries_; }

    /// Domains that are tried behind names with few dots; an empty list: none.
    dns_options& search(std::vector<std::string> domains) {
        search_ = std::move(domains);
        return *this;
    }
    const std::optional<std::vector<std::string>>& search() const noexcept { return search_; }

    /// A name with this many dots is first asked for as it is. Default: `options ndots:` of resolv.conf, else 1.
    dns_options& ndots(int count) {
        ndots_ = count;
        return *this;
    }
    const std::optional<int>& ndots() const noexcept { return ndots_; }

    /// How many queries are with the servers at a time; the others wait for their turn. Default 250: the buffer of a server's
    /// socket holds 277 small ones as Linux makes it, and what is lost costs a timeout.
    dns_options& max_queries(std::size_t count) {
        max_queries_ = count;
        return *this;
    }
    std::size_t max_queries() const noexcept { return max_queries_; }

    /// Where resolv.conf is, instead of /etc/resolv.conf.
    dns_options& resolv_conf(std::string path) {
        resolv_conf_ = std::move(path);
        return *this;
    }
    const std::string& resolv_conf() const noexcept { return resolv_conf_; }

    /// Whether names in the hosts file are answered from there (hosts(5)). Default: yes.
    dns_options& hosts_file(bool used) {
        hosts_file_ = used;
        return *this;
    }
    bool hosts_file() const noexcept { return hosts_file_; }

private:
    std::vector<std::string> servers_;
    std::optional<duration> timeout_;
    std::optional<int> tries_, ndots_;
    std::optional<std::vector<std::string>> search_;
    std::size_t max_queries_ = 250;
    std::string resolv_conf_ = "/etc/resolv.conf";
    bool hosts_file_ = true;
};

/// Asks DNS servers by c-ares, with sockets and timers of the dial's own io_context: no thread, thousands of lookups at a
/// time, each given up at once when its dial is over. Knows TTLs, SRV, SVCB and HTTPS records, and which server answered.
///
/// It does not know what nsswitch.conf(5) may name beside files and DNS: mDNS, LDAP, the names of containers. That is what
/// system_resolver is for, the default.
///
/// Names in the hosts file come first. Names with fewer dots than `ndots` are looked for in the search domains: the first
/// that has an address of any family is the one. Queries go out by UDP, and by TCP where the answer is truncated. At most 64
/// addresses of a family are taken from an answer, duplicates removed; CNAME chains of over 16 names, and loops, are refused.
/// resolv.conf is read again when it has changed.
///
/// A handle: copies share what is under way. Usable by several threads and io_contexts at once; each io_context has sockets of
/// its own, which are closed when nothing is being asked. After fork(2) the child starts afresh.
///
/// Here only where dial was built with DIAL_WITH_CARES.
class dns_resolver : public resolver_base {
public:
    explicit dns_resolver(dns_options options = {});

    /// - Errors: asio::error::netdb_errors. `host_not_found`: no such name. `host_not_found_try_again`: no server answered, or they
    ///   say to ask later. `no_recovery`: they refuse, or their answers make no sense.
    void start(const lookup& question, answer_handler done) override;
    void start_records(const lookup& question, answer_handler done) override;

    class core;  // src/dns/core.hpp

private:
    std::shared_ptr<core> core_;
};

}  // namespace dial
