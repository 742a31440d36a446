#include <dns/message.hpp>

#include <dns/name.hpp>
#include <dns/reader.hpp>
#include <dns/svcb.hpp>

#include <boost/asio/ip/address_v4.hpp>
#include <boost/asio/ip/address_v6.hpp>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace dial::dns {
namespace {

namespace ip = boost::asio::ip;
namespace netdb = boost::asio::error;
using bytes = std::span<const unsigned char>;

// Of those that no lookup asks for.
constexpr std::uint16_t type_cname = 5, type_soa = 6, type_opt = 41;
constexpr std::uint16_t class_in = 1;

// The low four bits are in the header, the others in the OPT record (RFC 6891 section 6.1.3).
constexpr unsigned no_error = 0, server_failure = 2, no_such_name = 3;

struct record {
    wire_name owner;  // folded
    std::uint16_t type, of_class;
    std::uint32_t ttl;
    std::size_t place;  // of the data in the message
    bytes data;
};

struct sections {
    header head;
    unsigned rcode;
    std::vector<record> answers;
    std::optional<std::uint32_t> negative_ttl;
};

// Where the CNAMEs lead: the name, folded, and the smallest TTL on the way.
struct chain {
    wire_name end;
    std::optional<std::uint32_t> ttl;
};

void lower_to(std::optional<std::uint32_t>& smallest, std::uint32_t ttl) {
    smallest = std::min(smallest.value_or(ttl), ttl);
}

duration seconds(std::uint32_t ttl) {
    return std::chrono::seconds{ttl};
}

record read_record(reader& in) {
    record r{};
    r.owner = folded(in.name(compression::allowed));
    r.type = in.u16();
    r.of_class = in.u16();
    r.ttl = in.u32();
    if (r.ttl > 0x7fff'ffff && r.type != type_opt) r.ttl = 0;  // RFC 2181 section 8
    const std::uint16_t size = in.u16();
    r.place = in.place();
    r.data = in.take(size);
    return r;
}

// MINIMUM is the last of five numbers behind two names (RFC 1035 section 3.3.13). Its meaning is that of a TTL (RFC 2308
// section 4).
std::optional<std::uint32_t> negative_ttl(bytes message, const record& soa) {
    reader in{message.first(soa.place + soa.data.size()), soa.place};
    in.name(compression::allowed);
    in.name(compression::allowed);
    in.take(16);
    const std::uint32_t minimum = in.u32();
    if (!in.ok() || !in.at_end()) return {};
    return std::min(soa.ttl, minimum > 0x7fff'ffff ? 0 : minimum);
}

// Nothing where the question is another one. Some servers leave it out when they report an error.
bool asks_for(reader& in, const header& head, const wire_name& name, record_type type) {
    if (head.records[0] == 0) return true;
    if (head.records[0] != 1) return false;
    const bool same_name = folded(in.name(compression::allowed)) == name;
    const bool same_type = in.u16() == static_cast<std::uint16_t>(type);
    const bool internet = in.u16() == class_in;
    return in.ok() && same_name && same_type && internet;
}

// Nothing where the message is malformed, or no reply to the question.
std::optional<sections> read_sections(bytes message, const wire_name& name, record_type type) {
    const auto head = read_header(message);
    if (!head || !head->response || head->opcode != 0) return {};
    sections all{*head, head->rcode, {}, {}};
    reader in{message, 12};
    if (!asks_for(in, *head, name, type)) return {};

    for (int i = 0; i != head->records[1]; ++i) {
        record r = read_record(in);
        if (!in.ok()) return {};
        const bool wanted = r.type == type_cname || r.type == static_cast<std::uint16_t>(type);
        if (wanted && r.of_class == class_in) all.answers.push_back(std::move(r));
    }
    for (int i = 0; i != head->records[2]; ++i) {
        const record r = read_record(in);
        if (!in.ok()) return {};
        if (r.type != type_soa || r.of_class != class_in || all.negative_ttl) continue;
        all.negative_ttl = negative_ttl(message, r);
        if (!all.negative_ttl) return {};
    }
    for (int i = 0; i != head->records[3]; ++i) {
        const record r = read_record(in);
        if (!in.ok()) return {};
        if (r.type == type_opt) all.rcode |= (r.ttl >> 24) << 4;
    }
    return all;
}

// The records may come in any order. Nothing where there are too many, or where one is malformed.
std::optional<chain> follow(bytes message, const std::vector<record>& answers, const wire_name& name) {
    chain way{name, {}};
    for (std::size_t aliases = 0;; ++aliases) {
        const auto alias =
            std::ranges::find_if(answers, [&](const record& r) { return r.type == type_cname && r.owner == way.end; });
        if (alias == answers.end()) return way;
        if (aliases == most_aliases) return {};
        reader in{message.first(alias->place + alias->data.size()), alias->place};
        way.end = folded(in.name(compression::allowed));
        if (!in.ok() || !in.at_end()) return {};
        lower_to(way.ttl, alias->ttl);
    }
}

// --- The data of a record; nothing where it is malformed ---

std::optional<ip::address> read_v4(bytes, const record& r) {
    ip::address_v4::bytes_type raw;
    if (r.data.size() != raw.size()) return {};
    std::ranges::copy(r.data, raw.begin());
    return ip::address_v4{raw};
}

std::optional<ip::address> read_v6(bytes, const record& r) {
    ip::address_v6::bytes_type raw;
    if (r.data.size() != raw.size()) return {};
    std::ranges::copy(r.data, raw.begin());
    return ip::address_v6{raw};
}

// The target is to be uncompressed, and is compressed by some servers (RFC 3597 section 4).
std::optional<service_record> read_service(bytes message, const record& r) {
    reader in{message.first(r.place + r.data.size()), r.place};
    service_record service;
    service.priority = in.u16();
    service.weight = in.u16();
    service.port = in.u16();
    service.host = to_text(in.name(compression::allowed));
    if (!in.ok() || !in.at_end()) return {};
    return service;
}

std::optional<service_binding> read_service_binding(bytes, const record& r) {
    return read_binding(r.data);
}

template <class Value>
answer collect(bytes message, const std::vector<record>& answers, record_type type, chain& way,
    std::optional<Value> (*read)(bytes, const record&)) {
    std::vector<Value> values;
    for (const record& r : answers) {
        if (r.type != static_cast<std::uint16_t>(type) || r.owner != way.end) continue;
        std::optional<Value> value = read(message, r);
        if (!value) return netdb::no_recovery;
        lower_to(way.ttl, r.ttl);
        if (values.size() < most_records && std::ranges::find(values, *value) == values.end())
            values.push_back(std::move(*value));
    }
    return answer{std::move(values)};
}

answer collect(bytes message, const std::vector<record>& answers, record_type type, chain& way) {
    switch (type) {  // no default: the compiler names the case we forget
        case record_type::a: return collect<ip::address>(message, answers, type, way, read_v4);
        case record_type::aaaa: return collect<ip::address>(message, answers, type, way, read_v6);
        case record_type::srv: return collect<service_record>(message, answers, type, way, read_service);
        case record_type::svcb:
        case record_type::https: return collect<service_binding>(message, answers, type, way, read_service_binding);
    }
    return netdb::no_recovery;
}

}  // namespace

std::optional<header> read_header(bytes message) {
    reader in{message};
    header head{};
    head.id = in.u16();
    const unsigned flags = in.u16();
    for (auto& count : head.records) count = in.u16();
    if (!in.ok()) return {};
    head.response = flags & 0x8000;
    head.truncated = flags & 0x0200;
    head.opcode = flags >> 11 & 0xf;
    head.rcode = flags & 0xf;
    return head;
}

bool begins_message(bytes message) {
    const auto head = read_header(message);
    if (!head) return false;
    reader in{message, 12};
    for (int i = 0; in.ok() && i != head->records[0]; ++i) {
        in.name(compression::allowed);
        in.take(4);
    }
    return in.ok();
}

answer read_answer(bytes message, std::string_view name, record_type type) {
    const auto asked = to_wire(name);
    if (!asked) return netdb::no_recovery;
    const auto all = read_sections(message, folded(*asked), type);
    if (!all) return netdb::no_recovery;
    if (all->rcode == server_failure) return netdb::host_not_found_try_again;
    if (all->rcode != no_error && all->rcode != no_such_name) return netdb::no_recovery;

    auto way = follow(message, all->answers, folded(*asked));
    if (!way) return netdb::no_recovery;
    answer result{netdb::host_not_found};
    if (all->rcode == no_error) {
        result = collect(message, all->answers, type, *way);
        if (result.error()) return result;
        if (!result.empty()) return result.ttl(seconds(*way->ttl));
        if (all->head.truncated) return netdb::host_not_found_try_again;
    }
    if (all->negative_ttl) result.ttl(seconds(std::min(*all->negative_ttl, way->ttl.value_or(*all->negative_ttl))));
    return result;
}

}  // namespace dial::dns
