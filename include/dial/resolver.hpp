// From a name to addresses: the resolvers that dial brings, and what one's own has to do.
#pragma once

#include <dial/lookup.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/address.hpp>

#include <concepts>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace dial {

namespace detail {

// Whoever waits for an answer: a dial's ticket, or what stands in between.
class answer_receiver {
public:
    virtual void deliver(answer given) = 0;
    virtual bool wanted() const noexcept = 0;
    virtual boost::asio::any_io_executor executor() const = 0;
    virtual void on_unwanted(std::function<void()> call) = 0;

protected:
    ~answer_receiver() = default;
};

}  // namespace detail

/// Where an answer goes. May be called on any thread, inside resolver_base::start() or at any time later, also when the
/// dial is over and its io_context is gone: then nothing happens. Dropping it uncalled counts as a failed lookup.
class answer_handler {
public:
    explicit answer_handler(std::shared_ptr<detail::answer_receiver> receiver) noexcept;

    /// Puts `see` in between, for a resolver that asks another one: the answer goes to it, and it passes on what it likes to
    /// `next`, which it is given. Wanted as long as `next` is.
    answer_handler(answer_handler next, std::function<void(answer, answer_handler)> see);

    answer_handler(answer_handler&&) noexcept;
    answer_handler& operator=(answer_handler&&) noexcept;
    ~answer_handler();

    /// Gives the answer. Once.
    void operator()(answer given);

    /// Whether anybody still waits for the answer. Cheap.
    bool wanted() const noexcept;

    /// `call` is called once, on any thread, when nobody waits any longer before there was an answer; at once if that is so
    /// already. It must not throw nor block: a dial's lock may be held. For a resolver that can save work; to be given once.
    void on_unwanted(std::function<void()> call);

    /// Where whoever asked does his I/O: for a resolver that does some. Empty once nobody waits.
    boost::asio::any_io_executor get_executor() const;

private:
    void drop() noexcept;

    std::shared_ptr<detail::answer_receiver> receiver_;
};

/// What a resolver does. To write one's own, derive from it and give it to a dialer, or wrap another.
///
///   class fixed : public dial::resolver_base {
///       void start(const dial::lookup& question, dial::answer_handler done) override {
///           done(std::vector{asio::ip::make_address("127.0.0.1")});
///       }
///   };
///   dial::dialer d(executor, {}, fixed{});
class resolver_base {
public:
    resolver_base() = default;
    resolver_base(const resolver_base&) = default;
    resolver_base(resolver_base&&) = default;
    resolver_base& operator=(const resolver_base&) = default;
    resolver_base& operator=(resolver_base&&) = default;
    virtual ~resolver_base() = default;

    /// Begins to look the addresses of `question` up, and calls `done` when the answer is there.
    ///
    /// - Completes by calling `done` once, inside this call or later, on any thread.
    /// - Errors: in the answer; the usual ones are those of asio::error::netdb_errors. Must not throw, nor block: the dial's lock is held.
    /// - Cancellation: a dial that is over does not wait; `done.wanted()` tells, for who can save work.
    /// - Lifetimes: `question` is valid during this call. The dial keeps the resolver alive until it is over.
    /// - Threads: may be called by several at once.
    virtual void start(const lookup& question, answer_handler done) = 0;

    /// The same for lookups that are not about addresses: SRV, SVCB, HTTPS. start() is never asked those. A resolver that knows
    /// no such records leaves this as it is: `asio::error::no_data`, and dials go on without.
    virtual void start_records(const lookup& question, answer_handler done);
};

/// A handle to a resolver, cheap to copy. Empty: the process's own system_resolver.
class resolver {
public:
    resolver() = default;
    template <std::derived_from<resolver_base> Resolver>
    resolver(Resolver own) : base_{std::make_shared<Resolver>(std::move(own))} {}
    template <std::derived_from<resolver_base> Resolver>
    resolver(std::shared_ptr<Resolver> own) noexcept : base_{std::move(own)} {}

    /// resolver_base::start(), or start_records(), of what this is a handle to.
    void start(const lookup& question, answer_handler done) const;

    explicit operator bool() const noexcept { return base_ != nullptr; }

private:
    std::shared_ptr<resolver_base> base_;
};

/// Names that are written down: for tests, and for programs that bring their own.
class static_resolver : public resolver_base {
public:
    class entry {
    public:
        entry(std::string name, std::vector<boost::asio::ip::address> addresses)
            : name_{std::move(name)}, addresses_{std::move(addresses)} {}
        const std::string& name() const noexcept { return name_; }
        const std::vector<boost::asio::ip::address>& addresses() const noexcept { return addresses_; }

    private:
        std::string name_;
        std::vector<boost::asio::ip::address> addresses_;
    };

    /// Names are compared without regard to case and to a dot at the end; of two equal names the first counts.
    static_resolver(std::initializer_list<entry> entries) : entries_{entries} {}
    explicit static_resolver(std::vector<entry> entries) : entries_{std::move(entries)} {}

    /// The entry's addresses of the family; `asio::error::host_not_found` where there is no entry.
    void start(const lookup& question, answer_handler done) override;

private:
    std::vector<entry> entries_;
};

/// The system's own: getaddrinfo(3) on threads of its own, so that it follows nsswitch.conf(5) in all (DNS, mDNS, VPNs,
/// LDAP). Names in the hosts file are answered without a thread where nsswitch.conf has `files` first.
///
/// Threads are started on demand, up to `max_threads`, and end after some seconds without work. Each lookup that hangs
/// holds one. A lookup whose dial is over is forgotten at once: nobody waits for it, not a dial, not the end of the
/// io_context, of the resolver or of the process; its thread goes on until getaddrinfo returns. After fork(2) the child
/// starts afresh, with threads of its own. Records other than addresses are asked for by res_query(3), on the same threads.
class system_resolver : public resolver_base {
public:
    /// `max_threads`: at the most at a time; zero is one. A dial asks twice, for IPv6 and for IPv4.
    explicit system_resolver(std::size_t max_threads = 64);

    void start(const lookup& question, answer_handler done) override;
    void start_records(const lookup& question, answer_handler done) override;

    class threads;  // src/resolve/threads.hpp

private:
    std::shared_ptr<threads> threads_;
};

}  // namespace dial
