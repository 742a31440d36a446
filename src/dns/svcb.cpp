#include <dns/svcb.hpp>

#include <dns/name.hpp>
#include <dns/reader.hpp>

#include <boost/asio/ip/address_v4.hpp>
#include <boost/asio/ip/address_v6.hpp>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace dial {
namespace dns {
namespace {

namespace ip = boost::asio::ip;
using bytes = std::span<const unsigned char>;

// SvcParamKeys (RFC 9460 section 14.3.2); 5 is `ech`.
enum key : std::uint16_t { mandatory = 0, alpn = 1, no_default_alpn = 2, port = 3, ipv4hint = 4, ipv6hint = 6 };

bool is_known(std::uint16_t k) {
    return k == mandatory || k == alpn || k == no_default_alpn || k == port || k == ipv4hint || k == ipv6hint;
}

// Reads one value after another into `out`; each says whether it is as it should be.
struct parameters {
    service_binding& out;
    std::vector<std::uint16_t> needed;  // those that are mandatory, in rising order

    bool read(std::uint16_t k, bytes value) {
        switch (k) {
            case mandatory: return read_mandatory(value);
            case alpn: return read_alpn(value);
            case no_default_alpn: out.no_default_alpn = true; return value.empty();
            case port: return read_port(value);
            case ipv4hint: return read_hints<ip::address_v4>(value);
            case ipv6hint: return read_hints<ip::address_v6>(value);
        }
        return true;
    }

    bool read_mandatory(bytes value) {
        reader in{value};
        std::uint16_t before = mandatory;
        while (!in.at_end()) {
            const std::uint16_t k = in.u16();
            if (!in.ok() || k <= before) return false;
            needed.push_back(k);
            before = k;
        }
        out.understood = std::ranges::all_of(needed, is_known);
        return !needed.empty();
    }

    bool read_alpn(bytes value) {
        reader in{value};
        while (!in.at_end()) {
            const auto id = in.take(in.u8());
            if (id.empty()) return false;
            if (out.alpn.size() < most_values) out.alpn.emplace_back(id.begin(), id.end());
        }
        return !out.alpn.empty();
    }

    bool read_port(bytes value) {
        reader in{value};
        out.port = in.u16();
        return in.ok() && in.at_end();
    }

    template <class Address>
    bool read_hints(bytes value) {
        typename Address::bytes_type raw;
        if (value.empty() || value.size() % raw.size() != 0) return false;
        for (; !value.empty(); value = value.subspan(raw.size())) {
            std::ranges::copy(value.first(raw.size()), raw.begin());
            if (out.hints.size() < most_values) out.hints.emplace_back(Address{raw});
        }
        return true;
    }
};

}  // namespace

std::optional<service_binding> read_binding(bytes data) {
    service_binding result;
    reader in{data};
    result.priority = in.u16();
    result.host = to_text(in.name(compression::refused));
    if (!in.ok()) return {};
    if (result.priority == 0) return result;

    parameters all{result, {}};
    std::size_t found = 0;  // of those that are mandatory: both lists rise
    std::optional<std::uint16_t> before;
    while (!in.at_end()) {
        const std::uint16_t k = in.u16();
        const bytes value = in.take(in.u16());
        if (!in.ok() || (before && k <= *before)) return {};
        if (!all.read(k, value)) return {};
        if (found != all.needed.size() && all.needed[found] == k) ++found;
        before = k;
    }
    if (found != all.needed.size()) return {};
    if (result.no_default_alpn && result.alpn.empty()) return {};
    return result;
}

namespace {

bool is_printable(char c) {
    return c > 0x20 && c < 0x7f;
}

bool is_special(char c) {  // in a zone file, outside of quotes
    return std::string_view{"\"();"}.find(c) != std::string_view::npos;
}

// A name has its escapes already.
void append_host(std::string& text, std::string_view host) {
    for (const char c : host) {
        if (is_printable(c) && !is_special(c))
            text += c;
        else
            append_escape(text, c);
    }
    if (!host.ends_with('.')) text += '.';
}

// Escaped twice: as an item of a list (RFC 9460 appendix A.1), and that as a character-string (RFC 1035 section 5.1).
void append_item(std::string& text, std::string_view item) {
    for (const char c : item) {
        if (c == ',')
            text += "\\\\,";
        else if (c == '\\')
            text += "\\\\\\\\";
        else if (is_special(c))
            (text += '\\') += c;
        else if (is_printable(c))
            text += c;
        else
            append_escape(text, c);
    }
}

template <class List, class Append>
void append_list(std::string& text, std::string_view name, const List& list, Append append) {
    std::string_view separator = name;
    for (const auto& item : list) {
        text += separator;
        append(item);
        separator = ",";
    }
}

}  // namespace
}  // namespace dns

std::string service_binding::to_string() const {
    std::string text = std::to_string(priority) + ' ';
    dns::append_host(text, host);
    dns::append_list(text, " alpn=", alpn, [&](const std::string& id) { dns::append_item(text, id); });
    if (no_default_alpn) text += " no-default-alpn";
    if (port) text += " port=" + std::to_string(*port);
    for (const bool v4 : {true, false}) {
        std::vector<boost::asio::ip::address> of_family;
        std::ranges::copy_if(hints, std::back_inserter(of_family), [&](const auto& h) { return h.is_v4() == v4; });
        dns::append_list(
            text, v4 ? " ipv4hint=" : " ipv6hint=", of_family, [&](const auto& hint) { text += hint.to_string(); });
    }
    return text;
}

}  // namespace dial
