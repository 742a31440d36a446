#include <proxy/tunnel.hpp>

#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>

#include <algorithm>
#include <limits>
#include <utility>

namespace dial::proxy {
namespace {

namespace http = boost::beast::http;

constexpr std::string_view begin_of_head = "HTTP/1.", end_of_head = "\r\n\r\n";
constexpr std::size_t shortest_head = 16;  // "HTTP/1.1 200" and the end

// RFC 4648 section 4.
std::string base64(std::string_view bytes) {
    constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
        unsigned group = 0;
        for (std::size_t k = 0; k != 3; ++k)
            group = group << 8 | (k < count ? static_cast<unsigned char>(bytes[i + k]) : 0u);
        for (std::size_t k = 0; k != 4; ++k) text += k <= count ? digits[group >> (18 - 6 * k) & 63] : '=';
    }
    return text;
}

bool is_control(char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

bool has_control(std::string_view text) {
    return std::ranges::any_of(text, is_control);
}

// RFC 9110 section 5.6.2.
bool is_token(std::string_view text) {
    const auto fits = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
            std::string_view{"!#$%&'*+-.^_`|~"}.find(c) != std::string_view::npos;
    };
    return !text.empty() && std::ranges::all_of(text, fits);
}

bool same(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, [](char x, char y) { return (x | 0x20) == (y | 0x20); });
}

bool is_about_the_connection(std::string_view name) {
    return same(name, "content-length") || same(name, "transfer-encoding") || same(name, "connection") ||
        same(name, "proxy-connection") || same(name, "upgrade");
}

bool frames_the_request(std::string_view name) {
    return same(name, "host") || same(name, "content-length") || same(name, "transfer-encoding");
}

std::string authority_of(const destination& to) {
    const bool v6 = to.address && to.address->is_v6();
    const std::string host = to.address ? to.address->to_string() : to.host;
    return std::string{v6 ? "[" : ""}.append(host).append(v6 ? "]:" : ":").append(std::to_string(to.port));
}

// How much of the text's end is the beginning of the empty line.
std::size_t matched(std::string_view text) {
    for (std::size_t size = std::min(text.size(), end_of_head.size()); size != 0; --size)
        if (text.ends_with(end_of_head.substr(0, size))) return size;
    return 0;
}

// RFC 9110 section 9.3.6: in an answer to CONNECT a length or chunks mean nothing, so that both may be there, and what it says
// of the connection is over with it. Beast looks at all that: to it they become headers of other names.
void hide_framing(std::string& head) {
    for (std::size_t line = head.find("\r\n"); line != head.npos; line = head.find("\r\n", line + 2)) {
        const std::size_t name = line + 2, colon = head.find(':', name);
        if (colon == head.npos) return;
        const std::string_view text = std::string_view{head}.substr(name, colon - name);
        if (is_about_the_connection(text)) head[name] = 'X';
    }
}

std::string reason_of(boost::beast::string_view reason) {
    constexpr std::size_t longest = 80;
    return shown({reason.data(), std::min(reason.size(), longest)});
}

// RFC 9112 section 4 wants a space behind the status, also where no reason follows. Not everybody sends it.
void add_missing_space(std::string& head) {
    constexpr std::size_t behind_status = 12;
    if (head.size() > behind_status && head[behind_status] == '\r') head.insert(behind_status, 1, ' ');
}

}  // namespace

void tunnel_exchange::begin(const destination& to, const tunnel_options& options) {
    const std::string authority = authority_of(to);
    if (to.host.empty() && !to.address) return give_up(error::invalid_target, "there is no host");
    if (has_control(authority) || to.host.find_first_of(" /?#@\\") != std::string::npos)
        return give_up(error::invalid_target, "there is a character in the name that HTTP cannot say");
    std::string request = "CONNECT " + authority + " HTTP/1.1\r\nHost: " + authority + "\r\n";
    if (const credentials& who = options.credentials(); !who.empty()) {
        if (who.user().find(':') != std::string::npos)
            return give_up(error::invalid_option, "Basic authentication takes no user with a colon");
        if (has_control(who.user()) || has_control(who.password()))
            return give_up(error::invalid_option, "Basic authentication takes no control characters");
        request.append("Proxy-Authorization: Basic ").append(base64(who.user() + ":" + who.password())).append("\r\n");
        credentials_sent_ = true;
    }
    for (const auto& [name, value] : options.headers()) {
        if (!is_token(name)) return give_up(error::invalid_option, "a header's name is no token");
        if (has_control(value)) return give_up(error::invalid_option, "there is a control character in header " + name);
        if (frames_the_request(name)) return give_up(error::invalid_option, "header " + name + " cannot be set");
        if (same(name, "proxy-authorization") && std::exchange(credentials_sent_, true))
            return give_up(error::invalid_option, "there are two authorizations");
        request.append(name).append(": ").append(value).append("\r\n");
    }
    say(request.append("\r\n"));
}

std::size_t tunnel_exchange::wanted() const {
    const std::size_t left_to_end = end_of_head.size() - matched(head_);
    return head_.size() + left_to_end < shortest_head ? shortest_head - head_.size() : left_to_end;
}

std::size_t tunnel_exchange::on_received(std::string_view bytes) {
    std::size_t taken = 0;
    while (!is_over() && std::holds_alternative<receive>(next()) && taken != bytes.size()) {
        const char c = bytes[taken++];
        const bool bare_line_feed = c == '\n' && !head_.ends_with('\r');
        head_ += c;
        if (head_.size() <= begin_of_head.size() && !begin_of_head.starts_with(head_))
            give_up(error::proxy_protocol, what_answers(std::string{head_}.append(bytes.substr(taken, 1))));
        else if (heads_before_ + head_.size() > max_head_)
            give_up(
                error::proxy_protocol, "the head of its answer is larger than " + std::to_string(max_head_) + " bytes");
        else if (bare_line_feed)
            give_up(error::proxy_protocol, "its answer has lines that do not end as HTTP's do");
        else if (c == '\n' && head_.ends_with(end_of_head))
            on_head();
    }
    return taken;
}

void tunnel_exchange::on_head() {
    http::response_parser<http::empty_body> parser;
    parser.header_limit(std::numeric_limits<std::uint32_t>::max());
    parser.body_limit(boost::none);
    parser.skip(true);
    std::string head = head_;
    add_missing_space(head);
    hide_framing(head);
    boost::beast::error_code failed;
    parser.put(boost::asio::buffer(head), failed);
    if (failed || !parser.is_header_done())
        return give_up(error::proxy_protocol, "its answer is malformed: " + failed.message());
    const unsigned status = parser.get().result_int();
    if (status < 100 || status > 599) return give_up(error::proxy_protocol, "its answer has an impossible status");
    if (status < 200 && status != 101) {  // interim
        heads_before_ += head_.size();
        return head_.clear();
    }
    add_detail("status", std::to_string(status));
    if (status / 100 == 2) return succeed();
    if (status == 407)
        return give_up(credentials_sent_ ? error::proxy_authentication_failed : error::proxy_authentication_required);
    give_up({static_cast<int>(status), http_category()},
        credentials_sent_ ? std::string{} : reason_of(parser.get().reason()));  // it may say them again
}

// A refusal is one as soon as its first line is there.
void tunnel_exchange::on_cut() {
    const std::size_t line = head_.find("\r\n");
    if (line != head_.npos) {
        head_.resize(line);
        head_ += end_of_head;
        const bool is_refusal = head_.size() > 9 && head_[9] != '1' && head_[9] != '2';
        if (is_refusal) on_head();
    }
    if (!is_over()) give_up(error::proxy_closed);
}

}  // namespace dial::proxy
