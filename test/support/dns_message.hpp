// DNS messages, as much of them as a server for tests needs (RFC 1035).
#pragma once

#include <dial/lookup.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dial::test {

inline constexpr record_type cname_type{5}, soa_type{6}, txt_type{16};

/// Of an answer; the values are those of the wire.
enum class rcode { none = 0, format_error = 1, server_failure = 2, no_such_name = 3, not_implemented = 4, refused = 5 };

/// Names are written as usual, without a final dot. A dot or a backslash in a label has a backslash before it.
class dns_question {
public:
    std::uint16_t id = 0;
    std::string name;  ///< in lower case
    record_type type{};
    bool edns = false;           ///< The query has an OPT record (RFC 6891),
    std::size_t udp_size = 512;  ///< which says how much may be answered by UDP.
    bool by_tcp = false;
    int before = 0;            ///< How often the same was asked before.
    std::string name_on_wire;  ///< As it was asked, case included.
};

/// The question in a query; none where it is not one.
std::optional<dns_question> read_query(std::string_view message);

/// One resource record. Its data is what stands before a name, the name, which may be compressed, and what stands behind.
class dns_record {
public:
    dns_record(std::string of, record_type is, std::string bytes, std::uint32_t seconds = 60)
        : name{std::move(of)}, type{is}, ttl{seconds}, data{std::move(bytes)} {}

    std::string name;
    record_type type;
    std::uint32_t ttl;
    std::string data;
    std::optional<std::string> target;
    std::string data_behind;
};

dns_record a(std::string name, const std::string& address, std::uint32_t ttl = 60);
dns_record aaaa(std::string name, const std::string& address, std::uint32_t ttl = 60);
dns_record cname(std::string name, std::string target, std::uint32_t ttl = 60);
dns_record srv(std::string name, const service_record& is, std::uint32_t ttl = 60);
dns_record soa(std::string zone, std::uint32_t minimum, std::uint32_t ttl = 60);

/// HTTPS or SVCB (RFC 9460). Parameters are a key and its value as on the wire; they are written in the order given.
using service_parameters = std::vector<std::pair<std::uint16_t, std::string>>;
dns_record https(std::string name, std::uint16_t priority, std::string_view host, const service_parameters& all = {},
    std::uint32_t ttl = 60);

/// For data: numbers in network order, and names.
std::string two_bytes(std::size_t n);
std::string four_bytes(std::uint32_t n);
std::string uncompressed(std::string_view name);

/// What a message has, but for the question that it answers.
class dns_message {
public:
    rcode code = rcode::none;
    bool truncated = false;
    bool compressed = true;
    std::vector<dns_record> answers = {}, authority = {};
};

std::string write_answer(const dns_question& to, const dns_message& what);

}  // namespace dial::test
