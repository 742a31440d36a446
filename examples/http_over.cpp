// Gets one resource over HTTP/1.1 by one of five roads. The program is the same on all of them: only the line that builds the
// connector differs.
//
//   $ http_over direct localhost:8080
//   $ http_over socks5 localhost:8080 localhost:1080
//   $ http_over tunnel localhost:8080 localhost:3128
//   $ http_over tls example.com:443
//   $ http_over tls-chain example.com:443 localhost:1080 localhost:3128
//   HTTP 200 OK
//   <!DOCTYPE html> ...
//
// Shows: connectors and layers; TLS inside a tunnel through two proxies; Boost.Beast on streams of two types. Trusted is whom the
// system trusts, or the file in SSL_CERT_FILE.
// Needs: a web server, a SOCKS5 and an HTTP proxy. Next: ../docs/how-to/connectors.md.
#include "command_line.hpp"

#include <dial/http_tunnel.hpp>
#include <dial/retry.hpp>
#include <dial/socks5.hpp>
#include <dial/timeout.hpp>
#include <dial/tls.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <chrono>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace asio = boost::asio;
namespace http = boost::beast::http;
using namespace std::chrono_literals;

// The application: it knows nothing of roads.
template <class Stream>
asio::awaitable<bool> get(dial::connector<Stream> connector, dial::target server) {
    dial::report report;
    auto [error, stream] = co_await connector.connect({server, &report}, asio::as_tuple(asio::deferred));
    std::cerr << report.to_string();
    if (error) co_return false;

    http::request<http::empty_body> request(http::verb::get, "/", 11);
    request.set(http::field::host, server.to_string());
    request.set(http::field::connection, "close");
    co_await http::async_write(stream, request, asio::deferred);

    boost::beast::flat_buffer buffer;
    http::response<http::string_body> response;
    co_await http::async_read(stream, buffer, response, asio::deferred);
    std::cout << "HTTP " << response.result_int() << ' ' << response.reason() << '\n' << response.body() << std::flush;
    co_return to_status_class(response.result()) == http::status_class::successful;
}

asio::awaitable<bool> run(asio::io_context& context, std::string_view road, const std::vector<std::string>& places) {
    const auto proxy = [&](std::size_t i) -> const std::string& {
        if (i >= places.size()) throw std::invalid_argument{"this road needs another proxy"};
        return places[i];
    };
    // What all roads have in common: two tries, ten seconds.
    const auto careful = [](auto next) { return dial::timeout(dial::retry(next, dial::retry_options(2)), 10s); };
    const dial::dialer direct(context);

    if (road == "direct") return get(careful(direct), places[0]);
    if (road == "socks5") return get(careful(dial::socks5(direct, proxy(1))), places[0]);
    if (road == "tunnel") return get(careful(dial::http_tunnel(direct, proxy(1))), places[0]);
    if (road == "tls") return get(careful(dial::tls(direct)), places[0]);
    if (road == "tls-chain")
        return get(careful(dial::tls(dial::http_tunnel(dial::socks5(direct, proxy(1)), proxy(2)))), places[0]);
    throw std::invalid_argument{"the road is one of direct, socks5, tunnel, tls, tls-chain"};
}

int main(int argc, char** argv) try {
    if (argc < 3 || argc > 5) {
        std::cerr << "usage: http_over direct|socks5|tunnel|tls|tls-chain HOST:PORT [PROXY [PROXY]]\n";
        return 2;
    }
    asio::io_context context(1);
    bool successful = false;
    asio::co_spawn(
        context, run(context, argv[1], {argv + 2, argv + argc}), [&](std::exception_ptr failure, bool result) {
            if (failure) std::rethrow_exception(failure);
            successful = result;
        });
    context.run();
    return successful ? 0 : 1;
} catch (...) {
    return explain_failure("http_over");
}
