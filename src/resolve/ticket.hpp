// Brings an answer from any thread, at any time, to the dial that asked, where its executor runs; or nowhere, when the dial
// is over, or its io_context is gone.
#pragma once

#include <dial/resolver.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

namespace dial::detail {

// What a lookup brings: an answer, or the port of a service.
struct delivery {
    answer given;
    std::uint16_t port = 0;
};

// A dial, as its tickets see it.
class delivery_receiver {
public:
    virtual void on_delivery(unsigned which, delivery brought) = 0;

protected:
    ~delivery_receiver() = default;
};

class ticket_box;  // of one execution context: knows its open tickets, and closes them when it goes away

// One lookup of one dial. Shared by the dial and by whoever has its answer_handler. Open until the dial has the delivery, or
// closes it; as long as it is open, it keeps the dial alive and its executor at work.
class lookup_ticket final : public answer_receiver, public std::enable_shared_from_this<lookup_ticket> {
public:
    // `which` is told to the receiver.
    static std::shared_ptr<lookup_ticket> open(
        const boost::asio::any_io_executor& executor, std::shared_ptr<delivery_receiver> receiver, unsigned which);

    lookup_ticket(std::shared_ptr<ticket_box> box, unsigned which) : box_{std::move(box)}, which_{which} {}

    // For the dial. What was delivered while the lookup was being started is taken from here; later deliveries are posted.
    std::optional<delivery> started();
    void close();

    // For the other side. Only the first delivery counts.
    void deliver(delivery brought);
    void deliver(answer given) override { deliver(delivery{std::move(given)}); }
    bool wanted() const noexcept override { return wanted_; }  // no lock
    boost::asio::any_io_executor executor() const override;
    void on_unwanted(std::function<void()> call) override;

private:
    friend ticket_box;

    struct hold {
        std::shared_ptr<delivery_receiver> receiver;
        boost::asio::any_io_executor executor;  // with work
        std::function<void()> on_unwanted;
    };

    hold let_go();  // under the box's lock; what is returned is destroyed, and told that it is unwanted, without it
    void post();
    void arrive();

    const std::shared_ptr<ticket_box> box_;
    const unsigned which_;
    std::atomic<bool> wanted_ = false;  // open, and nothing was delivered; changes under the lock
    // Under the box's lock:
    hold hold_;  // empty once it is closed
    bool starting_ = true;
    std::optional<delivery> brought_;
    std::shared_ptr<lookup_ticket> self_;  // while it is open
    lookup_ticket* next_ = nullptr;
    lookup_ticket* previous_ = nullptr;
};

}  // namespace dial::detail
