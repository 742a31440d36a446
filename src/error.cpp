#include <dial/error.hpp>

#include <string>

namespace dial {
namespace {

class category final : public boost::system::error_category {
public:
    const char* name() const noexcept override { return "dial"; }

    std::string message(int code) const override {
        switch (static_cast<error>(code)) {  // no default: the compiler names the case we forget
            case error::timeout: return "timed out: not connected within the time limit";
            case error::no_addresses: return "the host has no address that can be tried";
            case error::invalid_target: return "the target cannot be dialed; check how it is written and its kind";
            case error::invalid_option: return "an option of a layer cannot be used";
            case error::proxy_authentication_required:
                return "the proxy wants credentials; none were given that it takes";
            case error::proxy_authentication_failed: return "the proxy does not accept the credentials";
            case error::proxy_protocol: return "the proxy's answer is not of its protocol; is it a proxy of that kind?";
            case error::proxy_closed: return "the proxy closed the connection without an answer";
            case error::proxy_unsupported:
                return "the proxy in the environment is of a kind that cannot be used here; for https write "
                       "http_tunnel(tls(...))";
            case error::breaker_open: return "not tried: the breaker is open, since too many connects failed in a row";
            case error::pool_full: return "timed out: no connection of the pool came free";
            case error::pool_unreachable: return "timed out: the pool could not open a connection in time";
            case error::pool_closed: return "the pool is closed";
            case error::too_many_waiters: return "too many wait for a connection of the pool already";
            case error::prepare_failed: return "a new connection of the pool could not be prepared for use";
        }
        return "unknown dial error";
    }

    boost::system::error_condition default_error_condition(int code) const noexcept override {
        switch (static_cast<error>(code)) {
            case error::timeout:
            case error::pool_full:
            case error::pool_unreachable:
                return boost::system::errc::make_error_condition(boost::system::errc::timed_out);
            case error::invalid_target:
            case error::invalid_option:
                return boost::system::errc::make_error_condition(boost::system::errc::invalid_argument);
            case error::no_addresses:
            case error::proxy_authentication_required:
            case error::proxy_authentication_failed:
            case error::proxy_protocol:
            case error::proxy_closed:
            case error::proxy_unsupported:
            case error::breaker_open:
            case error::pool_closed:
            case error::too_many_waiters:
            case error::prepare_failed: break;
        }
        return {code, *this};
    }
};

class socks5_replies final : public boost::system::error_category {
public:
    const char* name() const noexcept override { return "dial.socks5"; }

    std::string message(int reply) const override {
        switch (reply) {
            case 1: return "the proxy failed (SOCKS5 reply 1)";
            case 2: return "the proxy's rules do not allow this target (SOCKS5 reply 2)";
            case 3: return "the proxy has no route to the target's network (SOCKS5 reply 3)";
            case 4: return "the proxy cannot reach the target (SOCKS5 reply 4)";
            case 5: return "the target refused the proxy's connection (SOCKS5 reply 5)";
            case 6: return "the target did not answer the proxy in time (SOCKS5 reply 6)";
            case 7: return "the proxy does not know the command (SOCKS5 reply 7)";
            case 8: return "the proxy does not take this type of address (SOCKS5 reply 8)";
            default: return "the proxy said no, without a known reason (SOCKS5 reply " + std::to_string(reply) + ")";
        }
    }

    boost::system::error_condition default_error_condition(int reply) const noexcept override {
        namespace errc = boost::system::errc;
        switch (reply) {
            case 3: return errc::make_error_condition(errc::network_unreachable);
            case 4: return errc::make_error_condition(errc::host_unreachable);
            case 5: return errc::make_error_condition(errc::connection_refused);
            case 6: return errc::make_error_condition(errc::timed_out);
            default: return {reply, *this};
        }
    }
};

class socks4_replies final : public boost::system::error_category {
public:
    const char* name() const noexcept override { return "dial.socks4"; }

    bool failed(int) const noexcept override { return true; }  // success has no value here

    std::string message(int reply) const override {
        switch (reply) {
            case 91: return "the proxy rejected the target or cannot reach it (SOCKS4 reply 91)";
            case 92: return "the proxy cannot ask this machine's identd who is calling (SOCKS4 reply 92)";
            case 93: return "this machine's identd names another user (SOCKS4 reply 93)";
            default: return "the proxy said no, without a known reason (SOCKS4 reply " + std::to_string(reply) + ")";
        }
    }
};

class http_statuses final : public boost::system::error_category {
public:
    const char* name() const noexcept override { return "dial.http"; }

    std::string message(int status) const override {
        std::string text = "the proxy opened no tunnel: ";
        switch (status) {
            case 400: text.append("it does not understand the request"); break;
            case 403: text.append("its rules do not allow this target"); break;
            case 404: text.append("it does not know the target; is it a proxy?"); break;
            case 405: text.append("it takes no CONNECT; is it a proxy?"); break;
            case 429: text.append("too many requests"); break;
            case 500: text.append("it failed"); break;
            case 502: text.append("it cannot reach the target"); break;
            case 503: text.append("it cannot serve now, or cannot reach the target"); break;
            case 504: text.append("the target did not answer it in time"); break;
            default: text.append("it said no");
        }
        return text.append(" (HTTP status ").append(std::to_string(status)).append(")");
    }

    boost::system::error_condition default_error_condition(int status) const noexcept override {
        namespace errc = boost::system::errc;
        if (status == 504) return errc::make_error_condition(errc::timed_out);
        return {status, *this};
    }
};

}  // namespace

const boost::system::error_category& socks5_category() noexcept {
    static const socks5_replies instance;
    return instance;
}

const boost::system::error_category& socks4_category() noexcept {
    static const socks4_replies instance;
    return instance;
}

const boost::system::error_category& http_category() noexcept {
    static const http_statuses instance;
    return instance;
}

const boost::system::error_category& dial_category() noexcept {
    static const category instance;
    return instance;
}

}  // namespace dial
