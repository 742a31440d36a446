#include <resolve/ticket.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/query.hpp>

#include <mutex>
#include <utility>
#include <vector>

namespace dial::detail {

namespace asio = boost::asio;

class ticket_box {
public:
    std::mutex mutex;
    bool closed = false;
    lookup_ticket* first = nullptr;

    void add(lookup_ticket& t) {
        t.wanted_ = true;
        t.self_ = t.shared_from_this();
        t.next_ = first;
        if (first) first->previous_ = &t;
        first = &t;
    }

    void remove(lookup_ticket& t) {
        (t.previous_ ? t.previous_->next_ : first) = t.next_;
        if (t.next_) t.next_->previous_ = t.previous_;
        t.next_ = t.previous_ = nullptr;
    }

    // The context goes away: nobody is left who could be told.
    void close() {
        std::vector<lookup_ticket::hold> released;
        {
            const std::lock_guard lock{mutex};
            closed = true;
            while (first) {
                const auto alive = first->shared_from_this();
                released.push_back(first->let_go());
            }
        }
        for (const auto& each : released)
            if (each.on_unwanted) each.on_unwanted();
    }

    // The process has forked, and this is the child: whoever was to answer is on the other side.
    void fail_all() {
        const std::lock_guard lock{mutex};
        for (lookup_ticket* t = first; t; t = t->next_) {
            if (t->brought_) continue;  // was posted before
            t->brought_ = delivery{answer{error_code{asio::error::host_not_found_try_again}}};
            t->post();
        }
    }
};

namespace {

// Asio destroys the services of a context with it, this one before the scheduler: as long as the box is open, there is
// something to post to.
class box_service final : public asio::execution_context::service {
public:
    using key_type = box_service;
    static asio::execution_context::id id;

    explicit box_service(asio::execution_context& context)
        : asio::execution_context::service{context}, box{std::make_shared<ticket_box>()} {}

    ~box_service() override { box->close(); }  // made while the context goes away, it is never shut down

    const std::shared_ptr<ticket_box> box;

private:
    void shutdown() override { box->close(); }

    void notify_fork(asio::execution_context::fork_event event) override {
        if (event == asio::execution_context::fork_prepare) return box->mutex.lock();
        box->mutex.unlock();
        if (event == asio::execution_context::fork_child) box->fail_all();
    }
};

asio::execution_context::id box_service::id;

}  // namespace

std::shared_ptr<lookup_ticket> lookup_ticket::open(
    const asio::any_io_executor& executor, std::shared_ptr<delivery_receiver> receiver, unsigned which) {
    auto& context = asio::query(executor, asio::execution::context);
    const std::shared_ptr<ticket_box>& box = asio::use_service<box_service>(context).box;
    auto ticket = std::make_shared<lookup_ticket>(box, which);
    hold opened{std::move(receiver), asio::prefer(executor, asio::execution::outstanding_work.tracked), {}};
    const std::lock_guard lock{box->mutex};
    if (box->closed) return ticket;  // closed as well: a dial that begins while its context goes away
    ticket->hold_ = std::move(opened);
    box->add(*ticket);
    return ticket;
}

lookup_ticket::hold lookup_ticket::let_go() {
    if (!hold_.receiver) return {};
    wanted_ = false;
    box_->remove(*this);
    self_.reset();  // the caller has another
    return std::exchange(hold_, {});
}

std::optional<delivery> lookup_ticket::started() {
    hold released;
    const std::lock_guard lock{box_->mutex};
    starting_ = false;
    if (!hold_.receiver || !brought_) return {};
    released = let_go();
    return std::exchange(brought_, {});
}

void lookup_ticket::close() {
    hold released;
    {
        const std::lock_guard lock{box_->mutex};
        released = let_go();
        if (brought_) return;
    }
    if (released.on_unwanted) released.on_unwanted();
}

asio::any_io_executor lookup_ticket::executor() const {
    const std::lock_guard lock{box_->mutex};
    if (!hold_.receiver) return {};
    return asio::prefer(hold_.executor, asio::execution::outstanding_work.untracked);
}

void lookup_ticket::on_unwanted(std::function<void()> call) {
    {
        const std::lock_guard lock{box_->mutex};
        if (brought_) return;
        if (hold_.receiver) {
            hold_.on_unwanted.swap(call);
            return;
        }
    }
    call();
}

void lookup_ticket::deliver(delivery brought) {
    const auto alive = shared_from_this();
    std::function<void()> answered;  // destroyed without the lock
    const std::lock_guard lock{box_->mutex};
    if (!hold_.receiver || brought_) return;
    wanted_ = false;
    brought_ = std::move(brought);
    if (!starting_) {
        try {
            post();
        } catch (...) {  // no memory: as if nothing had been brought
            wanted_ = true;
            brought_.reset();
            throw;
        }
    }
    answered.swap(hold_.on_unwanted);
}

// Under the lock: the context cannot go away meanwhile. What is posted does not own the dial. A context that goes away
// destroys it at once, here, and destroying a dial runs code of others, which may have a ticket to deliver.
void lookup_ticket::post() {
    asio::post(hold_.executor, [ticket = shared_from_this()] { ticket->arrive(); });
}

// Where the dial's executor runs.
void lookup_ticket::arrive() {
    hold held;
    {
        const std::lock_guard lock{box_->mutex};
        held = let_go();
    }
    if (held.receiver) held.receiver->on_delivery(which_, std::move(*brought_));
}

}  // namespace dial::detail
