#include <support/dns_message.hpp>

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <map>
#include <stdexcept>

namespace dial::test {
namespace {

constexpr std::uint16_t opt_type = 41;

// The labels of a name, without their lengths. An empty name, and ".", have none.
std::vector<std::string> labels_of(std::string_view name) {
    std::vector<std::string> labels;
    std::string label;
    for (std::size_t i = 0; i != name.size(); ++i) {
        if (name[i] == '\\' && i + 1 != name.size())
            label += name[++i];
        else if (name[i] != '.')
            label += name[i];
        else if (!label.empty())
            labels.push_back(std::exchange(label, {}));
    }
    if (!label.empty()) labels.push_back(label);
    return labels;
}

std::string lower(std::string text) {
    for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return text;
}

class reader {
public:
    explicit reader(std::string_view bytes) : bytes_{bytes} {}

    std::size_t number(std::size_t size) {
        std::size_t n = 0;
        for (const char c : take(size)) n = n << 8 | static_cast<unsigned char>(c);
        return n;
    }
    std::string_view take(std::size_t size) {
        if (size > bytes_.size()) throw std::out_of_range{"the message ends too early"};
        const std::string_view part = bytes_.substr(0, size);
        bytes_.remove_prefix(size);
        return part;
    }
    std::string name() {  // queries have no compressed ones
        std::string name;
        while (const std::size_t size = number(1)) {
            if (size > 63) throw std::out_of_range{"a label is too long"};
            if (!name.empty()) name += '.';
            for (const char c : take(size)) {
                if (c == '.' || c == '\\') name += '\\';
                name += c;
            }
        }
        return name;
    }

private:
    std::string_view bytes_;
};

class writer {
public:
    explicit writer(bool compressed) : compressed_{compressed} {}

    void bytes(std::string_view some) { text_ += some; }
    void number(std::size_t n) { text_ += two_bytes(n); }

    // A name, or as much of it as was not there before, and where the rest is.
    void name(std::string_view text) {
        const auto labels = labels_of(text);
        for (std::size_t i = 0; i != labels.size(); ++i) {
            std::string rest;
            for (std::size_t j = i; j != labels.size(); ++j) rest += lower(labels[j]) + '\0';
            const auto [known, is_new] = known_.emplace(rest, text_.size());
            if (!is_new && compressed_) return number(0xc000 | known->second);
            if (is_new && text_.size() >= 0x4000) known_.erase(known);  // too far behind to be pointed to
            text_ += static_cast<char>(labels[i].size());
            text_ += labels[i];
        }
        text_ += '\0';
    }

    void record(const dns_record& r) {
        name(r.name);
        number(static_cast<std::size_t>(r.type));
        number(1);  // class IN
        bytes(four_bytes(r.ttl));
        const std::size_t size_at = text_.size();
        number(0);
        bytes(r.data);
        if (r.target) name(*r.target);
        bytes(r.data_behind);
        text_.replace(size_at, 2, two_bytes(text_.size() - size_at - 2));
    }

    std::string take() { return std::move(text_); }

private:
    const bool compressed_;
    std::string text_;
    std::map<std::string, std::size_t> known_;  // where a name, in lower case, stands
};

dns_record address_record(std::string name, record_type type, std::string_view bytes, std::uint32_t ttl) {
    return {std::move(name), type, std::string{bytes}, ttl};
}

template <class Bytes>
std::string_view text_of(const Bytes& bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

std::string two_bytes(std::size_t n) {
    return {static_cast<char>(n >> 8 & 0xff), static_cast<char>(n & 0xff)};
}

std::string four_bytes(std::uint32_t n) {
    return two_bytes(n >> 16) + two_bytes(n & 0xffff);
}

std::string uncompressed(std::string_view name) {
    std::string bytes;
    for (const auto& label : labels_of(name)) bytes += static_cast<char>(label.size()) + label;
    return bytes + '\0';
}

std::optional<dns_question> read_query(std::string_view message) try {
    reader in{message};
    dns_question q;
    q.id = static_cast<std::uint16_t>(in.number(2));
    const std::size_t flags = in.number(2), questions = in.number(2);
    in.take(4);
    const std::size_t additional = in.number(2);
    if ((flags & 0xf800) != 0 || questions != 1) return {};
    q.name_on_wire = in.name();
    q.name = lower(q.name_on_wire);
    q.type = static_cast<record_type>(in.number(2));
    if (in.number(2) != 1) return {};
    if (additional == 1 && in.name().empty() && in.number(2) == opt_type) {
        q.edns = true;
        q.udp_size = std::max(q.udp_size, in.number(2));
    }
    return q;
} catch (const std::out_of_range&) {
    return {};
}

dns_record a(std::string name, const std::string& address, std::uint32_t ttl) {
    const auto bytes = boost::asio::ip::make_address_v4(address).to_bytes();
    return address_record(std::move(name), record_type::a, text_of(bytes), ttl);
}

dns_record aaaa(std::string name, const std::string& address, std::uint32_t ttl) {
    const auto bytes = boost::asio::ip::make_address_v6(address).to_bytes();
    return address_record(std::move(name), record_type::aaaa, text_of(bytes), ttl);
}

dns_record cname(std::string name, std::string target, std::uint32_t ttl) {
    dns_record r{std::move(name), cname_type, {}, ttl};
    r.target = std::move(target);
    return r;
}

dns_record srv(std::string name, const service_record& is, std::uint32_t ttl) {
    return {std::move(name), record_type::srv,
        two_bytes(is.priority) + two_bytes(is.weight) + two_bytes(is.port) + uncompressed(is.host), ttl};
}

dns_record soa(std::string zone, std::uint32_t minimum, std::uint32_t ttl) {
    dns_record r{zone, soa_type, {}, ttl};
    r.target = "ns." + zone;
    r.data_behind = uncompressed("hostmaster." + zone);
    for (const std::uint32_t n : {1u, 3600u, 600u, 86400u, minimum}) r.data_behind += four_bytes(n);
    return r;
}

dns_record https(
    std::string name, std::uint16_t priority, std::string_view host, const service_parameters& all, std::uint32_t ttl) {
    std::string data = two_bytes(priority) + uncompressed(host);
    for (const auto& [key, value] : all) data += two_bytes(key) + two_bytes(value.size()) + value;
    return {std::move(name), record_type::https, data, ttl};
}

std::string write_answer(const dns_question& to, const dns_message& what) {
    const bool knows_edns = to.edns && what.code != rcode::format_error;  // who says that has not understood (RFC 6891 section 7)
    writer out{what.compressed};
    out.number(to.id);
    out.number(0x8180u | (what.truncated ? 0x0200u : 0u) | static_cast<unsigned>(what.code));  // an answer, recursive
    out.number(1);
    out.number(what.answers.size());
    out.number(what.authority.size());
    out.number(knows_edns ? 1 : 0);
    out.name(to.name_on_wire);
    out.number(static_cast<std::size_t>(to.type));
    out.number(1);
    for (const auto& r : what.answers) out.record(r);
    for (const auto& r : what.authority) out.record(r);
    if (knows_edns) {
        out.bytes(std::string(1, '\0') + two_bytes(opt_type) + two_bytes(4096));
        out.bytes(four_bytes(0) + two_bytes(0));
    }
    return out.take();
}

}  // namespace dial::test
