#include <dns/resolv_conf.hpp>

#include <dial/target.hpp>
#include <resolve/words.hpp>
#include <target/flaw.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <stdexcept>
#include <system_error>

namespace dial::dns {
namespace {

using resolve::blanks;
using resolve::take_word;

constexpr std::size_t most_servers = 3;                              // MAXNS of resolv.h
constexpr int most_dots = 15, most_seconds = 30, most_attempts = 5;  // RES_MAXNDOTS, RES_MAXRETRANS, RES_MAXRETRY

constexpr int port = 53;

// A NUL ends a line, as it does for the C library.
std::string_view take_line(std::string_view& text) {
    return resolve::take_line(text, '\0');
}

bool begins_comment(std::string_view text) {
    return text.starts_with('#') || text.starts_with(';');
}

std::vector<std::string> domains_in(std::string_view words) {
    std::vector<std::string> domains;
    for (std::string_view word = take_word(words); !word.empty() && !begins_comment(word); word = take_word(words))
        domains.emplace_back(word);
    return domains;
}

// The number that follows `name` and a colon, from `least` to `most`. What comes behind its digits does not count.
std::optional<int> number_of(std::string_view option, std::string_view name, int least, int most) {
    if (!option.starts_with(name)) return {};
    option.remove_prefix(name.size());
    int value = 0;
    const auto [end, error] = std::from_chars(option.data(), option.data() + option.size(), value);
    if (error == std::errc::result_out_of_range) return option.starts_with('-') ? least : most;
    if (error != std::errc{}) return {};
    return std::clamp(value, least, most);
}

void read_options(std::string_view words, configuration& out) {
    for (std::string_view word = take_word(words); !word.empty(); word = take_word(words)) {
        if (const auto dots = number_of(word, "ndots:", 0, most_dots)) out.ndots = *dots;
        if (const auto seconds = number_of(word, "timeout:", 1, most_seconds))
            out.timeout = std::chrono::seconds{*seconds};
        if (const auto count = number_of(word, "attempts:", 1, most_attempts)) out.tries = *count;
        if (word.starts_with("rotate")) out.rotate = true;
    }
}

void read_server(std::string_view word, configuration& out) {
    if (out.servers.size() == most_servers) return;
    try {
        out.servers.push_back(server_address(word));
    } catch (const std::invalid_argument&) {}
}

std::vector<std::string> domain_of(std::string_view host_name) {
    const std::size_t dot = host_name.find('.');
    if (dot == host_name.npos || dot + 1 == host_name.size()) return {};
    return {std::string{host_name.substr(dot + 1)}};
}

}  // namespace

configuration read_resolv_conf(std::string_view text, const surroundings& around) {
    configuration out;
    std::optional<std::vector<std::string>> search;
    while (!text.empty()) {
        std::string_view line = take_line(text);
        if (line.empty() || begins_comment(line) || blanks.find(line[0]) != blanks.npos) continue;
        const std::string_view keyword = take_word(line);
        if (keyword == "nameserver") {
            read_server(take_word(line), out);
        } else if (keyword == "search" || keyword == "domain") {  // of all such lines, the last one counts
            std::vector<std::string> domains = domains_in(line);
            if (domains.empty()) continue;
            if (keyword == "domain") domains.resize(1);
            search = std::move(domains);
        } else if (keyword == "options") {
            read_options(line, out);
        }
    }
    if (out.servers.empty()) out.servers.push_back(server_address("127.0.0.1"));

    if (around.localdomain) search = domains_in(around.localdomain->substr(0, around.localdomain->find('\n')));
    out.search = search ? std::move(*search) : domain_of(around.host_name);
    if (around.res_options) read_options(*around.res_options, out);
    return out;
}

std::string server_address(std::string_view text) {
    using detail::flaw;
    const auto refuse = [&](flaw::kind what, std::size_t place) {
        throw std::invalid_argument{detail::describe("DNS server", text, {what, place})};
    };
    const std::size_t colon = text.rfind(':');
    const bool has_port = text.starts_with('[') ? !text.ends_with(']') : colon != text.npos && colon == text.find(':');
    const target read = has_port ? target{text} : target{text, port};
    if (!read.address()) refuse(flaw::kind::not_an_address, 0);
    if (!read.service().empty()) refuse(flaw::kind::not_a_port, colon + 1);
    return read.to_string();
}

}  // namespace dial::dns
