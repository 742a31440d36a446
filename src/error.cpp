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
        }
        return "unknown dial error";
    }

    boost::system::error_condition default_error_condition(int code) const noexcept override {
        switch (static_cast<error>(code)) {
            case error::timeout: return boost::system::errc::make_error_condition(boost::system::errc::timed_out);
            case error::invalid_target:
                return boost::system::errc::make_error_condition(boost::system::errc::invalid_argument);
            case error::no_addresses: break;
        }
        return {code, *this};
    }
};

}  // namespace

const boost::system::error_category& dial_category() noexcept {
    static const category instance;
    return instance;
}

}  // namespace dial
