#include <proxy/buffered_exchange.hpp>

#include <string.h>

namespace dial::proxy {

void buffered_exchange::wipe() noexcept {
    if (!to_send_.empty()) ::explicit_bzero(to_send_.data(), to_send_.size());
    to_send_.clear();
}

std::string what_answers(std::string_view first_bytes) {
    if (first_bytes.starts_with("HT")) return "it answers as HTTP: is it an http proxy?";
    if (first_bytes.starts_with('<')) return "it answers with a page: is it a web server?";
    if (first_bytes.starts_with("SS")) return "it answers as SSH";
    if (first_bytes.starts_with('\x15') || first_bytes.starts_with('\x16'))
        return "it answers as TLS: is it an https proxy?";
    return {};
}

}  // namespace dial::proxy
