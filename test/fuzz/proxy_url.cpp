// The URL of a proxy as text; behind it, where there are more lines, a target and a list as in NO_PROXY.
#include "check.hpp"

#include <dial/target.hpp>
#include <proxy/environment.hpp>
#include <proxy/no_proxy.hpp>
#include <proxy/url.hpp>

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace dial::test {
namespace {

using proxy::no_proxy;
using proxy::proxy_url;

std::string_view take_line(std::string_view& text) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return line;
}

std::string encoded(std::string_view text) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        out += {'%', digits[byte >> 4], digits[byte & 15]};
    }
    return out;
}

// As RFC 6874 has it: the '%' of a zone is %25.
std::string host_and_port(const target& at) {
    std::string text = at.to_string();
    if (const std::size_t percent = text.find('%'); percent != text.npos) text.insert(percent + 1, "25");
    return text;
}

std::string to_string(const proxy_url& url) {
    std::string text = std::string{name_of(url.kind)} + "://";
    if (url.has_credentials) text += encoded(url.user) + ':' + encoded(url.password) + '@';
    return text + host_and_port(url.at);
}

// What a flaw says comes from a fixed number of sentences: nothing of a URL, hence of a password, is in it.
void check_flaw(const std::string& flaw) {
    static std::set<std::string> seen;
    constexpr std::size_t sentences = 30;  // 13 flaws, each also in a note, three more notes, and none
    seen.insert(flaw);
    check(seen.size() <= sentences, "a flaw is one of a few sentences");
}

std::optional<proxy_url> parsed(std::string_view text) {
    std::string flaw;
    const std::optional<proxy_url> url = proxy::parse_proxy_url(text, flaw);
    check(url.has_value() == flaw.empty(), "a flaw, or a URL");
    check_flaw(flaw);
    return url;
}

void check_url(const proxy_url& url) {
    check(!url.at.empty() && !url.at.is_unix() && !url.at.is_srv(), "a proxy is at a host");
    check(url.at.port() != 0 && url.at.service().empty(), "and a port");
    check((url.user + url.password).find('\0') == std::string::npos, "no NUL in credentials");
    check(url.has_credentials || (url.user.empty() && url.password.empty()), "credentials are told of");
    const std::string text = to_string(url);
    check(parsed(text) == url, "a URL comes back from its text");
    check(parsed(text + '/') == url, "also with a slash at its end");
    for (const char* wrong : {"x", ":1", "/x", "/@", "?", "#", "%", "]", " "})
        check(!parsed(text + wrong), "and not with more than that");
    check(!parsed("x" + text), "its scheme is one of a few");
}

bool matches(const no_proxy& list, const target& to) {
    return list.matches(to.host(), to.address(), to.port());
}

void check_list(std::string_view text, const target& to) {
    const no_proxy list{text};
    for (const std::string& entry : list.ignored()) {
        check(!entry.empty() && text.find(entry) != text.npos, "what is ignored is as written");
        check(!matches(no_proxy{entry}, to), "and matches nothing");
        check(no_proxy{entry}.ignored() == std::vector<std::string>{entry}, "also by itself");
    }
    if (to.empty() || to.is_unix()) return;
    const bool matched = matches(list, to);
    const std::string all{text};
    check(matches(no_proxy{all + ",*"}, to), "an asterisk matches all");
    check(matches(no_proxy{all + " bad..entry"}, to) == matched, "an entry that is ignored changes nothing");
    if (to.address()) {
        check(matches(no_proxy{all + ',' + to.host()}, to), "an address matches itself");
    } else {
        check(matches(no_proxy{all + ',' + to.host()}, to), "a name matches itself");
        check(list.matches("x." + to.host(), {}, to.port()) || !matched, "what is under it is matched as well");
        if (!to.host().ends_with('.'))
            check(list.matches(to.host() + '.', {}, to.port()) == matched, "a dot at the end does not count");
    }
}

void check_decision(const std::string& url, const std::string& list, const target& to) {
    const proxy::environment around{[&](const char* name) -> const char* {
        const std::string_view asked = name;
        return asked == "ALL_PROXY" ? url.c_str() : asked == "NO_PROXY" ? list.c_str() : nullptr;
    }};
    const proxy::decision made = around.decide(to);
    if (const auto* through = std::get_if<proxy_url>(&made)) {
        check(parsed(url.c_str()) == *through, "the proxy is that of the URL");
        check(!to.empty() && !to.is_unix() && !to.is_srv(), "a host is what a proxy connects to");
        check(!matches(around.bypass(), to), "and not one of the list");
    } else if (const auto* refused = std::get_if<proxy::refusal>(&made)) {
        check(refused->code && !refused->note.empty(), "a refusal has a reason");
        check_flaw(refused->note);
    }
}

}  // namespace
}  // namespace dial::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace dial::test;
    std::string_view rest{reinterpret_cast<const char*>(data), size};
    const std::string_view url = take_line(rest), whereto = take_line(rest);

    if (const auto read = parsed(url)) check_url(*read);
    dial::error_code ec;
    const dial::target to = dial::target::parse(whereto, ec);
    check_list(rest, to);
    check_decision(std::string{url}, std::string{rest}, to);
    return 0;
}
