#include <resolve/engine.hpp>
#include <resolve/question.hpp>
#include <resolve/source_address.hpp>
#include <resolve/threads.hpp>

#include <boost/asio/error.hpp>

#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <string_view>
#include <utility>

namespace dial::resolve {
namespace {

namespace asio = boost::asio;
using detail::delivery;
using detail::lookup_ticket;

// For machines without /etc/services (Debian has it in a package of its own).
struct known_service {
    std::string_view name;
    std::uint16_t port;
};
constexpr std::array known_services{known_service{"domain", 53}, known_service{"ftp", 21}, known_service{"http", 80},
    known_service{"https", 443}, known_service{"imap", 143}, known_service{"imaps", 993}, known_service{"ldap", 389},
    known_service{"ldaps", 636}, known_service{"mysql", 3306}, known_service{"postgresql", 5432},
    known_service{"redis", 6379}, known_service{"smtp", 25}, known_service{"ssh", 22}};

std::uint16_t port_of(const std::string& service) {
    std::array<char, 4096> memory;
    servent entry{}, *found = nullptr;
    if (::getservbyname_r(service.c_str(), "tcp", &entry, memory.data(), memory.size(), &found) == 0 && found)
        return ntohs(static_cast<std::uint16_t>(found->s_port));
    const auto known = std::ranges::find(known_services, service, &known_service::name);
    return known == known_services.end() ? std::uint16_t{0} : known->port;
}

class service_job final : public system_resolver::threads::job {
public:
    service_job(std::string service, std::shared_ptr<lookup_ticket> ticket)
        : service_{std::move(service)}, ticket_{std::move(ticket)} {}

    ~service_job() override {
        try {
            ticket_->deliver({answer{error_code{asio::error::host_not_found_try_again}}});
        } catch (...) {}  // no memory: the dial has its time limit
    }

    bool wanted() const override { return ticket_->wanted(); }

    void run() override {
        const std::uint16_t port = port_of(service_);
        ticket_->deliver({answer{port ? error_code{} : error_code{asio::error::service_not_found}}, port});
    }

private:
    std::string service_;
    std::shared_ptr<lookup_ticket> ticket_;
};

}  // namespace

void start_service_lookup(const std::string& service, std::shared_ptr<lookup_ticket> ticket) {
    process_threads().run(std::make_unique<service_job>(service, std::move(ticket)));
}

unsigned interface_index(const std::string& zone) {
    return ::if_nametoindex(zone.c_str());
}

std::vector<std::size_t> destination_order(std::span<const asio::ip::address> addresses,
    const std::optional<asio::ip::address_v4>& from_v4, const std::optional<asio::ip::address_v6>& from_v6) {
    if (addresses.size() < 2) {
        std::vector<std::size_t> all(addresses.size());
        std::iota(all.begin(), all.end(), std::size_t{0});
        return all;
    }
    source_prober prober;
    std::vector<destination> destinations;
    destinations.reserve(addresses.size());
    for (const auto& a : addresses) {
        destination d{.to = from_asio(a)};
        if (a.is_v4() && from_v4)
            d.from = from_asio(*from_v4);
        else if (a.is_v6() && from_v6)
            d.from = from_asio(*from_v6);
        else
            d.from = prober.source_for(d.to);
        destinations.push_back(d);
    }
    return order(destinations);
}

error_code why_no_addresses(std::span<const error_code> errors) {
    const auto weight = [](const error_code& e) {
        if (!e) return 3;  // it is there, and has no address
        if (e == asio::error::no_data) return 2;
        if (e == asio::error::host_not_found) return 1;
        return 0;
    };
    const auto first = std::ranges::min_element(errors, {}, weight);
    if (first == errors.end() || !*first) return error::no_addresses;
    return *first;
}

}  // namespace dial::resolve
