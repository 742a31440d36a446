#include <dns/core.hpp>

#include <resolve/fork_guard.hpp>
#include <resolve/hosts_file.hpp>

#include <boost/asio/execution/context.hpp>
#include <boost/asio/query.hpp>

#include <unistd.h>

#include <array>
#include <cstdlib>
#include <mutex>
#include <vector>

namespace dial {
namespace {

namespace asio = boost::asio;
using dns::channel;

// Asio destroys it with its io_context: no channel of it lives on.
class channels_of_context final : public asio::execution_context::service {
public:
    using key_type = channels_of_context;
    static asio::execution_context::id id;

    explicit channels_of_context(asio::execution_context& context) : asio::execution_context::service{context} {}
    ~channels_of_context() override { close_all(); }  // made while the context goes away, it is never shut down

    // False if the context goes away.
    bool add(const std::shared_ptr<channel>& one) {
        const std::lock_guard lock{mutex_};
        if (closed_) return false;
        std::erase_if(all_, [](const auto& each) { return each.expired(); });
        all_.push_back(one);
        return true;
    }

private:
    void shutdown() override { close_all(); }

    void close_all() {
        std::vector<std::shared_ptr<channel>> open;
        {
            const std::lock_guard lock{mutex_};
            closed_ = true;
            open = alive();
            all_.clear();
        }
        for (const auto& each : open) each->close();
    }

    void notify_fork(asio::execution_context::fork_event event) override {
        if (event == asio::execution_context::fork_prepare) {
            mutex_.lock();
            forking_ = alive();
            for (const auto& each : forking_) each->before_fork();
            return;
        }
        for (const auto& each : forking_) each->after_fork(event == asio::execution_context::fork_child);
        forking_.clear();
        mutex_.unlock();
    }

    std::vector<std::shared_ptr<channel>> alive() const {
        std::vector<std::shared_ptr<channel>> found;
        for (const auto& each : all_)
            if (auto one = each.lock()) found.push_back(std::move(one));
        return found;
    }

    std::mutex mutex_;
    bool closed_ = false;
    std::vector<std::weak_ptr<channel>> all_;
    std::vector<std::shared_ptr<channel>> forking_;
};

asio::execution_context::id channels_of_context::id;

// After a fork without execution_context::notify_fork, another thread may have been at work on it: its lock may be held for
// ever, and nothing in it can be trusted.
void leave_to_itself(std::shared_ptr<channel> of_the_parent) {
    new std::shared_ptr<channel>{std::move(of_the_parent)};
}

std::optional<std::string> environment(const char* name) {
    const char* const value = std::getenv(name);
    return value ? std::optional<std::string>{value} : std::nullopt;
}

std::string host_name() {
    std::array<char, 256> name{};
    return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

}  // namespace

dns_resolver::core::~core() {
    for (auto& [context, one] : channels_) {
        if (one->generation() == resolve::fork_generation())
            one->close();
        else
            leave_to_itself(std::move(one));
    }
}

dns::settings dns_resolver::core::settings_now() {
    file_.if_changed([&](std::string_view text) {
        configured_ = dns::read_resolv_conf(text,
            {.host_name = host_name(),
                .localdomain = environment("LOCALDOMAIN"),
                .res_options = environment("RES_OPTIONS")});
    });
    constexpr duration usual_timeout = std::chrono::seconds{2};
    constexpr int usual_tries = 3;
    return {.servers = options_.servers().empty() ? configured_.servers : options_.servers(),
        .domains = options_.search().value_or(configured_.search),
        .ndots = options_.ndots().value_or(configured_.ndots),
        .timeout = options_.timeout().value_or(configured_.timeout.value_or(usual_timeout)),
        .tries = options_.tries().value_or(configured_.tries.value_or(usual_tries)),
        .rotate = configured_.rotate,
        .max_queries = options_.max_queries()};
}

// One that goes by what resolv.conf said before is left to those who wait there.
std::shared_ptr<channel> dns_resolver::core::channel_for(asio::execution_context& context) {
    std::vector<std::shared_ptr<channel>> released;  // without the lock
    std::shared_ptr<channel> fresh;
    {
        const std::lock_guard lock{resolve::process_mutex()};
        dns::settings now = settings_now();
        for (auto each = channels_.begin(); each != channels_.end();) {
            if (each->second->generation() != resolve::fork_generation())
                leave_to_itself(std::move(each->second));
            else if (each->second->closed() || (each->first == &context && each->second->how() != now))
                released.push_back(std::move(each->second));
            each = each->second ? std::next(each) : channels_.erase(each);
        }
        auto& one = channels_[&context];
        if (one) return one;
        fresh = one = std::make_shared<channel>(std::move(now));
    }
    // The service has a lock of its own, which is taken before that of the process when Asio is told of a fork.
    if (!asio::use_service<channels_of_context>(context).add(fresh)) fresh->close();
    return fresh;
}

void dns_resolver::core::ask(const lookup& question, answer_handler done) {
    if (options_.hosts_file() && question.family() != address_family::any) {
        if (const auto written = resolve::find_in_hosts_file(question.name(), resolve::hosts_file::always))
            return done(answer{resolve::of_family(*written, question.family())}.source("hosts file"));
    }
    const asio::any_io_executor executor = done.get_executor();
    if (!executor) return;
    channel_for(asio::query(executor, asio::execution::context))->ask(question, std::move(done));
}

dns_resolver::dns_resolver(dns_options options) : core_{std::make_shared<core>(std::move(options))} {}

void dns_resolver::start(const lookup& question, answer_handler done) {
    core_->ask(question, std::move(done));
}

void dns_resolver::start_records(const lookup& question, answer_handler done) {
    core_->ask(question, std::move(done));
}

}  // namespace dial
