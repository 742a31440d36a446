#include <dial/resolver.hpp>

#include <boost/asio/error.hpp>

#include <utility>

namespace dial {
namespace {

// Stands between who answers and who asked.
class between final : public detail::answer_receiver {
public:
    between(answer_handler next, std::function<void(answer, answer_handler)> see)
        : next_{std::move(next)}, see_{std::move(see)} {}

    void deliver(answer given) override { std::exchange(see_, {})(std::move(given), std::move(next_)); }
    bool wanted() const noexcept override { return next_.wanted(); }
    boost::asio::any_io_executor executor() const override { return next_.get_executor(); }
    void on_unwanted(std::function<void()> call) override { next_.on_unwanted(std::move(call)); }

private:
    answer_handler next_;
    std::function<void(answer, answer_handler)> see_;
};

}  // namespace

answer_handler::answer_handler(std::shared_ptr<detail::answer_receiver> receiver) noexcept
    : receiver_{std::move(receiver)} {}

answer_handler::answer_handler(answer_handler next, std::function<void(answer, answer_handler)> see)
    : receiver_{std::make_shared<between>(std::move(next), std::move(see))} {}

answer_handler::answer_handler(answer_handler&&) noexcept = default;

answer_handler& answer_handler::operator=(answer_handler&& other) noexcept {
    if (this != &other) {
        drop();
        receiver_ = std::move(other.receiver_);
    }
    return *this;
}

answer_handler::~answer_handler() {
    drop();
}

void answer_handler::operator()(answer given) {
    if (const auto receiver = std::exchange(receiver_, {})) receiver->deliver(std::move(given));
}

bool answer_handler::wanted() const noexcept {
    return receiver_ && receiver_->wanted();
}

void answer_handler::on_unwanted(std::function<void()> call) {
    if (receiver_) receiver_->on_unwanted(std::move(call));
}

boost::asio::any_io_executor answer_handler::get_executor() const {
    return receiver_ ? receiver_->executor() : boost::asio::any_io_executor{};
}

void answer_handler::drop() noexcept {
    const auto receiver = std::exchange(receiver_, {});
    if (!receiver) return;
    try {
        receiver->deliver(answer{error_code{boost::asio::error::host_not_found_try_again}});
    } catch (...) {}  // no memory: the dial has its time limit
}

}  // namespace dial
