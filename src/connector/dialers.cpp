// Dialers as connectors.
#include <dial/connector.hpp>

#include <utility>

namespace dial::detail {
namespace {

class dialer_connector final : public connector_base<asio::ip::tcp::socket> {
public:
    explicit dialer_connector(std::shared_ptr<const dialer_settings> settings) : settings_{std::move(settings)} {}

    void start(request&& what, tcp_handler&& handler, handler_runs where) const override {
        start_dial(std::move(what), settings_, nullptr, std::move(handler), where);
    }
    asio::ip::tcp::socket unconnected(const asio::any_io_executor& executor) const override {
        return asio::ip::tcp::socket{executor};
    }

private:
    const std::shared_ptr<const dialer_settings> settings_;
};

class local_dialer_connector final : public connector_base<asio::local::stream_protocol::socket> {
public:
    explicit local_dialer_connector(std::shared_ptr<const dialer_settings> settings) : settings_{std::move(settings)} {}

    void start(request&& what, local_handler&& handler, handler_runs where) const override {
        start_local_dial(std::move(what), settings_, std::move(handler), where);
    }
    asio::local::stream_protocol::socket unconnected(const asio::any_io_executor& executor) const override {
        return asio::local::stream_protocol::socket{executor};
    }

private:
    const std::shared_ptr<const dialer_settings> settings_;
};

}  // namespace

connector_pointer<asio::ip::tcp::socket> make_connector(const dialer& from) {
    return std::make_shared<dialer_connector>(from.settings_);
}

connector_pointer<asio::local::stream_protocol::socket> make_connector(const local_dialer& from) {
    return std::make_shared<local_dialer_connector>(from.settings_);
}

}  // namespace dial::detail
