#include <support/tls_server.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <mutex>
#include <vector>

namespace dial::test {

// TLS over memory, so that what the server says can be cut anywhere.
struct tls_server::session : std::enable_shared_from_this<session> {
    session(tls_server& of, asio::ip::tcp::socket peer)
        : server{of}, socket{std::move(peer)}, pause{socket.get_executor()}, ssl{::SSL_new(of.context_.native_handle()),
                                                                                 &::SSL_free},
          in{::BIO_new(::BIO_s_mem())}, out{::BIO_new(::BIO_s_mem())} {
        ::SSL_set_bio(ssl.get(), in, out);
        ::SSL_set_accept_state(ssl.get());
    }
    ~session() { ++server.gone; }

    void go_on() {
        if (!shaken && ::SSL_do_handshake(ssl.get()) == 1) {
            shaken = true;
            ++server.shaken;
            if (::SSL_session_reused(ssl.get())) ++server.resumed;
            if (const char* const name = ::SSL_get_servername(ssl.get(), TLSEXT_NAMETYPE_host_name)) {
                const std::lock_guard lock{server.mutex_};
                server.server_name_ = name;
            }
        }
        std::array<char, 4096> text;
        for (int size = 0; shaken && (size = ::SSL_read(ssl.get(), text.data(), text.size())) > 0;)
            ::SSL_write(ssl.get(), text.data(), size);
        send();
    }

    void send() {
        std::array<char, 4096> bytes;
        for (int size = 0; (size = ::BIO_read(out, bytes.data(), bytes.size())) > 0;)
            waiting.insert(waiting.end(), bytes.begin(), bytes.begin() + size);
        const std::size_t left = server.limit_ > sent ? server.limit_ - sent : 0;
        const auto what = server.what_then_.load();
        std::size_t now = std::min(waiting.size(), left);
        if (now == 0 && !waiting.empty() && what == then::drip) now = 1;
        if (now == 0) return waiting.empty() || what == then::stall ? receive() : hang_up(what);
        asio::async_write(socket, asio::buffer(waiting.data(), now),
            [self = shared_from_this(), now, dripping = left == 0](boost::system::error_code ec, std::size_t) {
                if (ec) return;
                self->sent += now;
                self->waiting.erase(self->waiting.begin(), self->waiting.begin() + static_cast<std::ptrdiff_t>(now));
                if (!dripping) return self->send();
                self->pause.expires_after(std::chrono::milliseconds{5});
                self->pause.async_wait([self](boost::system::error_code) { self->send(); });
            });
    }

    void hang_up(then how) {
        boost::system::error_code ignored;
        if (how == then::reset) socket.set_option(asio::socket_base::linger{true, 0}, ignored);
        socket.close(ignored);
    }

    void receive() {
        socket.async_read_some(
            asio::buffer(bytes_in), [self = shared_from_this()](boost::system::error_code ec, std::size_t size) {
                if (ec) return;
                ::BIO_write(self->in, self->bytes_in.data(), static_cast<int>(size));
                self->go_on();
            });
    }

    tls_server& server;
    asio::ip::tcp::socket socket;
    asio::steady_timer pause;
    std::unique_ptr<SSL, decltype(&::SSL_free)> ssl;
    BIO *in, *out;  // the SSL's
    std::array<char, 4096> bytes_in;
    std::vector<char> waiting;
    std::size_t sent = 0;
    bool shaken = false;
};

tls_server::tls_server(
    const certificate& own, std::function<void(asio::ssl::context&)> set_up, const std::string& address)
    : context_{asio::ssl::context::tls_server},
      acceptor_{io_, asio::ip::tcp::endpoint{asio::ip::make_address(address), 0}}, endpoint_{
                                                                                       acceptor_.local_endpoint()} {
    ::SSL_CTX_use_certificate(context_.native_handle(), own.x509());
    ::SSL_CTX_use_PrivateKey(context_.native_handle(), own.key());
    constexpr unsigned char name[] = "dial test";
    ::SSL_CTX_set_session_id_context(context_.native_handle(), name, sizeof name);
    if (set_up) set_up(context_);
    accept();
    thread_ = std::thread{[this] { io_.run(); }};
}

tls_server::~tls_server() {
    io_.stop();
    thread_.join();
}

void tls_server::accept() {
    acceptor_.async_accept([this](boost::system::error_code ec, asio::ip::tcp::socket socket) {
        if (ec) return;
        ++accepted;
        const auto one = std::make_shared<session>(*this, std::move(socket));
        one->send();
        accept();
    });
}

std::string tls_server::last_server_name() const {
    const std::lock_guard lock{mutex_};
    return server_name_;
}

}  // namespace dial::test
