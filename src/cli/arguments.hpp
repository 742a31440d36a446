// What the user asks of the command.
#pragma once

#include <dial/options.hpp>
#include <dial/target.hpp>

#include <boost/asio/ip/address.hpp>

#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

namespace dial::cli {

enum class colours : unsigned char { automatic, always, never };

enum class names_from : unsigned char { system, dns };

struct arguments {
    target to;
    options with;
    names_from names = names_from::system;
    std::vector<std::string> dns_servers;  // none: those of resolv.conf
    std::vector<boost::asio::ip::address> sources;
    std::string proxy;  // empty: none; "env": as the environment says
    int retries = 0;
    bool tls = false, insecure = false;
    std::vector<std::string> alpn;
    bool json = false;
    bool quiet = false;
    colours colour = colours::automatic;
};

// The text that --help or --version asks for.
struct information {
    std::string text;
};

// What is wrong, on one line.
class usage_error : public std::invalid_argument {
public:
    explicit usage_error(const std::string& what);
};

// `words`: those of the command line, without the program's name. Throws usage_error.
std::variant<arguments, information> read_arguments(const std::vector<std::string>& words);

}  // namespace dial::cli
