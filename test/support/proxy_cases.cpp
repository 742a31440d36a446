#include <support/proxy_cases.hpp>

#include <fstream>
#include <sstream>
#include <stdexcept>

namespace dial::test {
namespace {

[[noreturn]] void flaw(const std::string& line, const std::string& what) {
    throw std::runtime_error{what + ": " + line};
}

int digit(char c, const std::string& line) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    flaw(line, "no hexadecimal digit");
}

char from_hex(const std::string& text, std::size_t at, const std::string& line) {
    if (at + 1 >= text.size()) flaw(line, "half a byte");
    return static_cast<char>(digit(text[at], line) * 16 + digit(text[at + 1], line));
}

// 0500, "text\r\n", 255*61
std::string decode(std::string token, const std::string& line) {
    std::size_t count = 1;
    if (const std::size_t star = token.find('*'); star != token.npos && token.front() != '"') {
        count = std::stoul(token.substr(0, star));
        token = token.substr(star + 1);
    }
    std::string bytes;
    if (token.starts_with('"')) {
        if (token.size() < 2 || !token.ends_with('"')) flaw(line, "an open quote");
        for (std::size_t i = 1; i + 1 < token.size(); ++i) {
            if (token[i] != '\\') {
                bytes += token[i];
                continue;
            }
            switch (token[++i]) {
                case 'r': bytes += '\r'; break;
                case 'n': bytes += '\n'; break;
                case 's': bytes += ' '; break;
                case 'x':
                    bytes += from_hex(token, i + 1, line);
                    i += 2;
                    break;
                default: bytes += token[i];
            }
        }
    } else {
        for (std::size_t i = 0; i < token.size(); i += 2) bytes += from_hex(token, i, line);
    }
    std::string all;
    for (; count != 0; --count) all += bytes;
    return all;
}

std::string decode_rest(std::istream& words, const std::string& line) {
    std::string all;
    for (std::string token; words >> token;) all += decode(token, line);
    return all;
}

// The last of the words is a port.
std::pair<std::string, int> host_and_port(std::istream& words, const std::string& line) {
    std::vector<std::string> tokens;
    for (std::string token; words >> token;) tokens.push_back(token);
    if (tokens.empty()) flaw(line, "no port");
    std::string host;
    for (std::size_t i = 0; i + 1 != tokens.size(); ++i) host += decode(tokens[i], line);
    return {host, std::stoi(tokens.back())};
}

proxy_case::move read_move(std::istream& words, const std::string& line) {
    proxy_case::move m;
    std::string word;
    words >> m.after >> word;
    if (word == "wait") {
        int length = 0;
        words >> length >> word;
        m.wait = std::chrono::milliseconds{length};
    }
    if (word == "close")
        m.what = proxy_case::move::kind::close;
    else if (word == "reset")
        m.what = proxy_case::move::kind::reset;
    else if (word == "bytes")
        m.bytes = decode_rest(words, line);
    else
        flaw(line, "unknown move");
    return m;
}

void read_expectation(proxy_case& to, std::istream& words) {
    words >> to.expected;
    for (std::string word; words >> word;) {
        if (word != "at") {
            to.code = std::stoi(word);
            continue;
        }
        int at = 0;
        words >> at;
        to.at = std::chrono::milliseconds{at};
    }
}

void read_line(proxy_case& to, const std::string& line) {
    std::istringstream words{line};
    std::string key;
    words >> key;
    if (key == "protocol") {
        words >> to.protocol;
    } else if (key == "target") {
        const auto [host, port] = host_and_port(words, line);
        to.host = host;
        to.port = static_cast<std::uint16_t>(port);
    } else if (key == "user" || key == "password") {
        to.has_credentials = true;
        (key == "user" ? to.user : to.password) = decode_rest(words, line);
    } else if (key == "header") {
        std::string name;
        words >> name;
        to.headers.emplace_back(name, decode_rest(words, line));
    } else if (key == "timeout") {
        int length = 0;
        words >> length;
        to.timeout = std::chrono::milliseconds{length};
    } else if (key == "max_head") {
        std::size_t size = 0;
        words >> size;
        to.max_head = size;
    } else if (key == "after") {
        to.moves.push_back(read_move(words, line));
    } else if (key == "expect") {
        read_expectation(to, words);
    } else if (key == "or") {
        for (std::string word; words >> word;) to.also_right.push_back(word);
    } else if (key == "sent") {
        to.sent = decode_rest(words, line);
    } else if (key == "leftover") {
        to.leftover = decode_rest(words, line);
    } else if (key == "bound") {
        const auto [host, port] = host_and_port(words, line);
        const bool v6 = host.find(':') != host.npos;
        to.bound = (v6 ? "[" + host + "]:" : host + ":") + std::to_string(port);
    } else {
        flaw(line, "unknown line");
    }
}

}  // namespace

std::vector<proxy_case> read_proxy_cases(const std::string& path) {
    std::ifstream file{path};
    if (!file) throw std::runtime_error{"cannot read " + path};
    std::vector<proxy_case> all;
    for (std::string line; std::getline(file, line);) {
        if (line.empty() || line.starts_with('#')) continue;
        if (line.starts_with("  ")) {
            if (all.empty()) flaw(line, "no scenario to belong to");
            read_line(all.back(), line);
            continue;
        }
        const std::size_t space = line.find(' ');
        if (space == line.npos) flaw(line, "no title");
        all.emplace_back();
        all.back().id = line.substr(0, space);
        all.back().title = line.substr(space + 1);
    }
    return all;
}

}  // namespace dial::test
