#include <support/dns_server.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <sstream>
#include <string_view>
#include <tuple>

namespace dial::test {
namespace {

namespace asio = boost::asio;

constexpr auto no_throw = asio::as_tuple(asio::use_awaitable);

std::string write(dns_question q, dns_reply r, std::string_view query) {
    if (r.wrong == lie::id) q.id ^= 0x5555;
    if (r.wrong == lie::question) q.name_on_wire = "another.test";
    if (r.wrong == lie::type) q.type = q.type == record_type::a ? record_type::aaaa : record_type::a;
    std::string bytes = write_answer(q, r.message);
    if (r.wrong == lie::runt) bytes.resize(5);
    if (r.wrong == lie::garbage) std::fill(bytes.begin() + 2, bytes.end(), '\xff');
    if (r.wrong == lie::echo) bytes = query;
    if (r.wrong == lie::cut) bytes.resize(bytes.size() - (q.edns ? 13 : 2));
    if (q.by_tcp || bytes.size() <= q.udp_size) return bytes;
    r.message = {};
    r.message.truncated = true;
    return write_answer(q, r.message);
}

}  // namespace

dns_server::dns_server(by_tcp how, const std::string& address, unsigned short port) {
    const auto here = asio::ip::make_address(address);
    bind(how, here, port);
    somebody_else_ = udp::socket{io_, udp::endpoint{here, 0}};
    udp_.set_option(asio::socket_base::receive_buffer_size{1 << 22});
    asio::co_spawn(io_, serve_udp(), asio::detached);
    if (how != by_tcp::refuses) asio::co_spawn(io_, serve_tcp(how), asio::detached);
    thread_ = std::thread{[this] { io_.run(); }};
}

dns_server::~dns_server() {
    io_.stop();
    thread_.join();
}

// A port that is free for UDP may be in use by TCP: then another one.
void dns_server::bind(by_tcp how, const asio::ip::address& address, unsigned short port) {
    for (int tries = 1;; ++tries) {
        udp_ = udp::socket{io_, udp::endpoint{address, port}};
        const tcp::endpoint same{address, udp_.local_endpoint().port()};
        tcp_ = tcp::acceptor{io_, same.protocol()};
        error_code in_use;
        tcp_.bind(same, in_use);
        if (!in_use) break;
        if (port != 0 || tries == 100) throw boost::system::system_error{in_use, "bind"};
    }
    if (how != by_tcp::refuses) tcp_.listen();
}

std::string dns_server::address() const {
    std::ostringstream text;
    text << udp_.local_endpoint();
    return text.str();
}

void dns_server::has(std::vector<dns_record> records) {
    const std::lock_guard lock{mutex_};
    for (auto& r : records) zone_.emplace(r.name, std::move(r));
}

void dns_server::on(const std::string& name, script s) {
    const std::lock_guard lock{mutex_};
    scripts_[name] = std::move(s);
}

void dns_server::on_others(script s) {
    const std::lock_guard lock{mutex_};
    others_ = std::move(s);
}

dns_message dns_server::usual(const dns_question& q) const {
    const std::lock_guard lock{mutex_};
    dns_message m;
    std::string name = q.name;
    for (int links = 0; links != 50; ++links) {
        const auto [begin, end] = zone_.equal_range(name);
        if (begin == end) m.code = rcode::no_such_name;
        const std::string* alias_of = nullptr;
        std::size_t found = 0;
        for (auto r = begin; r != end; ++r) {
            if (r->second.type == q.type) ++found;
            if (r->second.type != q.type && r->second.type != cname_type) continue;
            if (r->second.type == cname_type) alias_of = &*r->second.target;
            m.answers.push_back(r->second);
        }
        if (found != 0) return m;
        if (!alias_of) break;
        name = *alias_of;
    }
    m.authority.push_back(soa("test", 30, 3600));
    return m;
}

std::size_t dns_server::asked(const std::string& name, record_type type) const {
    const std::lock_guard lock{mutex_};
    const auto found = asked_.find({name, type});
    return found == asked_.end() ? 0 : found->second;
}

std::size_t dns_server::asked() const {
    const std::lock_guard lock{mutex_};
    return asked_in_all_;
}

std::size_t dns_server::asked_by_tcp() const {
    const std::lock_guard lock{mutex_};
    return asked_by_tcp_;
}

std::size_t dns_server::most_at_once() const {
    const std::lock_guard lock{mutex_};
    return most_open_;
}

std::set<unsigned short> dns_server::source_ports() const {
    const std::lock_guard lock{mutex_};
    return source_ports_;
}

bool dns_server::is_asked(const std::string& name, record_type type, std::size_t times) const {
    std::unique_lock lock{mutex_};
    return changed_.wait_for(lock, std::chrono::seconds{20}, [&] {
        const auto found = asked_.find({name, type});
        return found != asked_.end() && found->second >= times;
    });
}

// Notes that `q` was asked, and finds out what is replied.
dns_replies dns_server::take(dns_question& q) {
    script s;
    {
        const std::lock_guard lock{mutex_};
        q.before = static_cast<int>(asked_[{q.name, q.type}]++);
        ++asked_in_all_;
        if (q.by_tcp) ++asked_by_tcp_;
        const auto found = scripts_.find(q.name);
        if (found != scripts_.end())
            s = found->second;
        else if (!zone_.contains(q.name))
            s = others_;
        changed_.notify_all();
    }
    dns_replies replies = s ? s(q) : dns_replies{usual(q)};
    if (!replies.empty()) {
        const std::lock_guard lock{mutex_};
        most_open_ = std::max(most_open_, ++open_);
    }
    return replies;
}

// Before the last reply is sent: whoever asked has at least as many open as are counted here.
void dns_server::is_answered() {
    const std::lock_guard lock{mutex_};
    --open_;
}

asio::awaitable<void> dns_server::pause(std::chrono::milliseconds length) {
    if (length == length.zero()) co_return;
    asio::steady_timer timer{io_, length};
    co_await timer.async_wait(asio::use_awaitable);
}

asio::awaitable<void> dns_server::serve_udp() {
    std::string query;
    for (;;) {
        query.resize(4096);
        udp::endpoint from;
        const auto [failed, size] = co_await udp_.async_receive_from(asio::buffer(query), from, no_throw);
        if (failed) continue;
        query.resize(size);
        asio::co_spawn(io_, reply_by_udp(query, from), asio::detached);
    }
}

asio::awaitable<void> dns_server::reply_by_udp(std::string query, udp::endpoint to) {
    std::optional<dns_question> q = read_query(query);
    if (!q) co_return;
    {
        const std::lock_guard lock{mutex_};
        source_ports_.insert(to.port());
    }
    const dns_replies replies = take(*q);
    for (const auto& r : replies) {
        co_await pause(r.delay);
        if (&r == &replies.back()) is_answered();
        error_code gone;  // whoever asked
        auto& from = r.wrong == lie::port ? somebody_else_ : udp_;
        from.send_to(asio::buffer(write(*q, r, query)), to, 0, gone);
    }
}

asio::awaitable<void> dns_server::serve_tcp(by_tcp how) {
    for (;;) {
        auto [failed, peer] = co_await tcp_.async_accept(no_throw);
        if (failed || how == by_tcp::closes) continue;
        asio::co_spawn(io_, talk(std::move(peer), how), asio::detached);
    }
}

asio::awaitable<void> dns_server::talk(tcp::socket peer, by_tcp how) {
    error_code gone;
    peer.set_option(tcp::no_delay{true}, gone);
    for (;;) {
        std::array<unsigned char, 2> size{};
        const auto [ended, none] = co_await asio::async_read(peer, asio::buffer(size), no_throw);
        if (ended) co_return;
        std::string query(static_cast<std::size_t>(size[0] << 8 | size[1]), '\0');
        const auto [broken, some] = co_await asio::async_read(peer, asio::buffer(query), no_throw);
        std::optional<dns_question> q = read_query(query);
        if (broken || !q) co_return;
        q->by_tcp = true;
        const dns_replies replies = take(*q);
        for (const auto& r : replies) {
            co_await pause(r.delay);
            if (&r == &replies.back()) is_answered();
            if (how == by_tcp::says_nothing) continue;
            const std::string message = write(*q, r, query);
            const std::string bytes = two_bytes(message.size()) + message;
            const std::size_t part = how == by_tcp::sends_single_bytes ? 1 : bytes.size();
            for (std::size_t i = 0; i != bytes.size() && !gone; i += part)
                std::tie(gone, std::ignore) =
                    co_await asio::async_write(peer, asio::buffer(bytes.data() + i, part), no_throw);
            if (gone) co_return;
        }
    }
}

}  // namespace dial::test
