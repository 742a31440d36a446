// What the examples share: reading numbers and addresses, and saying why a program failed.
//
// A HOST that is dialed may be a name or an address: dial::target reads it.
#pragma once

#include <dial/target.hpp>

#include <boost/asio/ip/tcp.hpp>
#include <boost/system/system_error.hpp>

#include <charconv>
#include <concepts>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>

/// A whole number from `least` to `most`, or std::invalid_argument that says what `what` should be.
template <std::integral Number>
Number read_number(std::string_view what, std::string_view text, Number least, Number most) {
    Number number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size() || number < least || number > most)
        throw std::invalid_argument{std::string{what} + " is a number from " + std::to_string(least) + " to " +
            std::to_string(most) + ", not '" + std::string{text} + "'"};
    return number;
}

/// For the examples that bind, or connect a socket of their own: an address literal, and a number.
inline boost::asio::ip::tcp::endpoint read_endpoint(std::string_view host, std::string_view port) {
    const dial::target given(host, port);
    if (!given.address() || given.port() == 0)
        throw std::invalid_argument{"an IP address such as 127.0.0.1 or ::1 and a port are needed here, not '" +
            std::string{host} + "' and '" + std::string{port} + "'"};
    return {*given.address(), given.port()};
}

/// For the catch (...) of main: prints what was thrown and returns the exit code, 2 for a bad argument, else 1.
inline int explain_failure(const char* program) {
    try {
        throw;
    } catch (const std::invalid_argument& error) {
        std::cerr << program << ": " << error.what() << '\n';
        return 2;
    } catch (const boost::system::system_error& error) {
        std::cerr << program << ": " << error.code().message() << '\n';
    } catch (const std::exception& error) {
        std::cerr << program << ": " << error.what() << '\n';
    }
    return 1;
}
