#include <dial/resolver.hpp>
#include <dns/message.hpp>
#include <resolve/hosts_file.hpp>
#include <resolve/threads.hpp>

#include <boost/asio/error.hpp>

#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

namespace dial {
namespace {

namespace asio = boost::asio;

error_code error_of(int code) {
    switch (code) {
        case EAI_AGAIN:
        case EAI_INTR: return asio::error::host_not_found_try_again;
        case EAI_NONAME: return asio::error::host_not_found;
        case EAI_MEMORY: return {ENOMEM, boost::system::system_category()};
        case EAI_SYSTEM:
            if (errno != 0) return {errno, boost::system::system_category()};
            break;  // without a reason
    }
    return asio::error::no_recovery;
}

asio::ip::address address_of(const sockaddr& address) {
    if (address.sa_family == AF_INET6) {
        sockaddr_in6 in;
        std::memcpy(&in, &address, sizeof in);
        asio::ip::address_v6::bytes_type bytes;
        std::memcpy(bytes.data(), &in.sin6_addr, bytes.size());
        return asio::ip::address_v6{bytes, in.sin6_scope_id};
    }
    sockaddr_in in;
    std::memcpy(&in, &address, sizeof in);
    asio::ip::address_v4::bytes_type bytes;
    std::memcpy(bytes.data(), &in.sin_addr, bytes.size());
    return asio::ip::address_v4{bytes};
}

answer ask_the_system(const std::string& name, address_family family) {
    addrinfo hints{};
    hints.ai_family = family == address_family::v4 ? AF_INET : family == address_family::v6 ? AF_INET6 : AF_UNSPEC;
    hints.ai_socktype =
        SOCK_STREAM;  // each address once. No AI_ADDRCONFIG: a useless address costs nothing, a missing one all
    addrinfo* list = nullptr;
    errno = 0;
    if (const int code = ::getaddrinfo(name.c_str(), nullptr, &hints, &list)) {
        // The name may well be there, with an address of the other family.
        if (code == EAI_NODATA || code == EAI_ADDRFAMILY) return answer{std::vector<asio::ip::address>{}};
        return answer{error_of(code)};
    }
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner{list, ::freeaddrinfo};
    std::vector<asio::ip::address> addresses;
    for (const addrinfo* a = list; a; a = a->ai_next)
        if (a->ai_family == AF_INET || a->ai_family == AF_INET6) addresses.push_back(address_of(*a->ai_addr));
    return answer{std::move(addresses)};
}

// nsswitch.conf(5) knows no such records: they are DNS's alone.
answer ask_for_records(const std::string& name, record_type type) {
    std::vector<unsigned char> message(65535);
    h_errno = NETDB_INTERNAL;
    errno = 0;
    const int size = ::res_query(
        name.c_str(), C_IN, static_cast<int>(type), message.data(), static_cast<int>(message.size()));
    if (size > 0) {
        message.resize(std::min(message.size(), static_cast<std::size_t>(size)));
        return dns::read_answer(message, name, type);
    }
    switch (h_errno) {
        case HOST_NOT_FOUND: return answer{asio::error::host_not_found};
        case NO_DATA: return answer{asio::error::no_data};
        case TRY_AGAIN: return answer{asio::error::host_not_found_try_again};
        case NETDB_INTERNAL:
            if (errno == ENOMEM || errno == EMFILE || errno == ENFILE)
                return answer{error_code{errno, boost::system::system_category()}};
            return answer{asio::error::host_not_found_try_again};  // no server could be asked
    }
    return answer{asio::error::no_recovery};
}

class records_job final : public system_resolver::threads::job {
public:
    records_job(lookup question, answer_handler done) : question_{std::move(question)}, done_{std::move(done)} {}

    bool wanted() const override { return done_.wanted(); }
    void run() override { done_(ask_for_records(question_.name(), question_.type())); }

private:
    lookup question_;
    answer_handler done_;
};

class lookup_job final : public system_resolver::threads::job {
public:
    lookup_job(lookup question, answer_handler done) : question_{std::move(question)}, done_{std::move(done)} {}

    bool wanted() const override { return done_.wanted(); }
    void run() override { done_(ask_the_system(question_.name(), question_.family())); }

private:
    lookup question_;
    answer_handler done_;
};

}  // namespace

system_resolver::system_resolver(std::size_t max_threads) : threads_{std::make_shared<threads>(max_threads)} {}

void system_resolver::start(const lookup& question, answer_handler done) {
    if (const auto written = resolve::find_in_hosts_file(question.name()))
        return done(answer{resolve::of_family(*written, question.family())}.source("hosts file"));
    threads_->run(std::make_unique<lookup_job>(question, std::move(done)));
}

void system_resolver::start_records(const lookup& question, answer_handler done) {
    threads_->run(std::make_unique<records_job>(question, std::move(done)));
}

namespace resolve {

// Neither is ever destroyed: lookups go on while the process ends.
system_resolver& process_resolver() {
    static system_resolver& instance = *new system_resolver;
    return instance;
}

system_resolver::threads& process_threads() {
    static auto& instance = *new system_resolver::threads{8};
    return instance;
}

}  // namespace resolve

}  // namespace dial
