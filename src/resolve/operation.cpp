// One question to a resolver, asked for its own sake.
#include <dial/detail/no_thread_cancellation.hpp>
#include <dial/resolve.hpp>
#include <resolve/ticket.hpp>

#include <boost/asio/any_completion_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>

#include <memory>
#include <mutex>
#include <utility>

namespace dial::detail {
namespace {

class resolve_operation final : public delivery_receiver, public std::enable_shared_from_this<resolve_operation> {
public:
    resolve_operation(const asio::any_io_executor& executor, answer_completion handler)
        : executor_{executor}, handler_{std::move(handler)},
          handlers_work_{asio::prefer(
              asio::get_associated_executor(handler_, executor_), asio::execution::outstanding_work.tracked)} {}

    void start(const resolver& names, const lookup& question) {
        // An io_context that runs out of work stops, also outside of run().
        const auto work = asio::prefer(executor_, asio::execution::outstanding_work.tracked);
        const no_thread_cancellation guard;
        names_ = names;
        auto slot = asio::get_associated_cancellation_slot(handler_);
        if (slot.is_connected()) slot.emplace<canceller>(shared_from_this());
        const auto ticket = lookup_ticket::open(executor_, shared_from_this(), 0);
        {
            const std::lock_guard lock{mutex_};
            ticket_ = ticket;
        }
        names.start(question, answer_handler{ticket});
        if (auto early = ticket->started(); early && take_turn()) complete_later(std::move(early->given));
    }

    void on_delivery(unsigned, delivery brought) override {
        if (!take_turn()) return;
        asio::dispatch(completion{shared_from_this(), std::move(brought.given)});
    }

private:
    class canceller {
    public:
        explicit canceller(std::weak_ptr<resolve_operation> operation) : operation_{std::move(operation)} {}

        void operator()(asio::cancellation_type kind) const {
            if ((kind & asio::cancellation_type::all) == asio::cancellation_type::none) return;
            if (const auto operation = operation_.lock()) operation->on_cancelled();
        }

    private:
        std::weak_ptr<resolve_operation> operation_;  // the slot keeps this for as long as it likes
    };

    struct completion {
        std::shared_ptr<resolve_operation> operation;
        answer given;

        using executor_type = asio::associated_executor_t<answer_completion, asio::any_io_executor>;
        executor_type get_executor() const noexcept {
            return asio::get_associated_executor(operation->handler_, operation->executor_);
        }
        void operator()() { std::exchange(operation, {})->complete(std::move(given)); }
    };

    void on_cancelled() {
        if (!take_turn()) return;
        const auto work = asio::prefer(executor_, asio::execution::outstanding_work.tracked);
        ticket_->close();
        complete_later(answer{error_code{asio::error::operation_aborted}});
    }

    // An answer and cancellation may meet: the first has it.
    bool take_turn() {
        const std::lock_guard lock{mutex_};
        return !std::exchange(over_, true);
    }

    void complete_later(answer given) {
        asio::post(executor_, completion{shared_from_this(), std::move(given)});
    }

    void complete(answer given) {
        const auto handlers_work = std::exchange(handlers_work_, {});
        answer_completion handler{std::move(handler_)};
        names_ = {};
        executor_ = {};  // a resolver may hold the operation for longer than there is an io_context
        const error_code error = given.error();
        std::move(handler)(error, std::move(given));
    }

    std::mutex mutex_;
    bool over_ = false;
    asio::any_io_executor executor_;
    answer_completion handler_;
    asio::any_completion_executor handlers_work_;
    resolver names_;  // kept alive until there is an answer
    std::shared_ptr<lookup_ticket> ticket_;
};

}  // namespace

void start_resolve(
    const asio::any_io_executor& executor, const resolver& names, const lookup& question, answer_completion handler) {
    std::make_shared<resolve_operation>(executor, std::move(handler))->start(names, question);
}

}  // namespace dial::detail
