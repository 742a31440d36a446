// Replies of DNS servers, whatever they are. The question is the message's own, where it has one, so that the fuzzer gets
// beyond it.
#include "check.hpp"

#include <dns/message.hpp>
#include <dns/name.hpp>
#include <dns/reader.hpp>

#include <boost/asio/error.hpp>

#include <algorithm>
#include <chrono>
#include <span>
#include <string>
#include <vector>

namespace dial::test {
namespace {

namespace netdb = boost::asio::error;
using bytes = std::span<const unsigned char>;

template <class Value>
void check_list(const std::vector<Value>& list, bool may_be_there) {
    check(list.empty() || may_be_there, "records are of the type that was asked for");
    check(list.size() <= dns::most_records, "there are 64 at most");
    for (auto v = list.begin(); v != list.end(); ++v)
        check(std::find(v + 1, list.end(), *v) == list.end(), "each is there once");
}

void check_name(const std::string& text) {
    const auto wire = dns::to_wire(text);
    check(wire.has_value(), "a host is a name");
    check(dns::to_text(*wire) == text, "a name comes back from its text");
}

void check_answer(const answer& got, record_type type) {
    const bool about_addresses = type == record_type::a || type == record_type::aaaa;
    check_list(got.addresses(), about_addresses);
    check_list(got.services(), type == record_type::srv);
    check_list(got.bindings(), type == record_type::svcb || type == record_type::https);
    for (const auto& a : got.addresses()) check(a.is_v4() == (type == record_type::a), "addresses are of their family");
    for (const auto& s : got.services()) check_name(s.host);
    for (const auto& b : got.bindings()) check_name(b.host);

    const auto& e = got.error();
    check(!e || got.empty(), "an error has no records");
    check(!e || e == netdb::host_not_found || e == netdb::host_not_found_try_again || e == netdb::no_recovery,
        "errors are those that are promised");
    check(got.empty() || got.ttl(), "records have a TTL");
    check(!got.ttl() || !e || e == netdb::host_not_found, "trouble has no TTL");
    check(!got.ttl() || (*got.ttl() >= duration::zero() && *got.ttl() <= std::chrono::seconds{0x7fff'ffff}),
        "a TTL has 31 bits");
}

struct question {
    std::string name = "www.example";
    record_type type = record_type::a;
};

question of(bytes message) {
    const auto head = dns::read_header(message);
    if (!head || head->records[0] == 0) return {};
    dns::reader in{message, 12};
    const auto name = in.name(dns::compression::allowed);
    const auto type = static_cast<record_type>(in.u16());
    if (!in.ok()) return {};
    return {dns::to_text(name), type};
}

void check_part(bytes message, std::size_t size, const question& q) {
    const std::vector<unsigned char> part(message.begin(), message.begin() + static_cast<std::ptrdiff_t>(size));
    check_answer(dns::read_answer(part, q.name, q.type), q.type);
}

}  // namespace
}  // namespace dial::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace dial::test;
    const bytes message{data, size};
    const question asked = of(message);
    check_name(asked.name);
    check_answer(dial::dns::read_answer(message, asked.name, asked.type), asked.type);
    if (size != 0) check_part(message, size - 1, asked);
    check_part(message, size / 2, asked);
    using dial::record_type;
    for (const auto type : {record_type::a, record_type::aaaa, record_type::srv, record_type::svcb, record_type::https})
        check_answer(dial::dns::read_answer(message, "www.example", type), type);
    return 0;
}
