#include <proxy/buffered_exchange.hpp>

#include <string.h>

#include <algorithm>

namespace dial::proxy {

void buffered_exchange::wipe() noexcept {
    if (!to_send_.empty()) ::explicit_bzero(to_send_.data(), to_send_.size());
    to_send_.clear();
}

std::string shown(std::string_view text) {
    std::string result{text};
    const auto is_odd = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f || (c & 0x80) != 0; };
    std::ranges::replace_if(result, is_odd, '?');
    return result;
}

std::string what_answers(std::string_view first_bytes) {
    if (first_bytes.starts_with("HT")) return "it answers as HTTP: is it an http proxy?";
    if (first_bytes.starts_with('<')) return "it answers with a page: is it a web server?";
    if (first_bytes.starts_with('\5')) return "it answers as SOCKS5: is it a socks5 proxy?";
    if (first_bytes.starts_with("SS")) return "it answers as SSH";
    if (first_bytes.starts_with('\x15') || first_bytes.starts_with('\x16'))
        return "it answers as TLS: is it an https proxy?";
    return {};
}

}  // namespace dial::proxy
