// dns_resolver and a DNS server that others have written: dnsmasq, where it is installed.
#include <dial/dialer.hpp>
#include <support/dns_lookups.hpp>
#include <support/resolvers.hpp>
#include <support/temporary_directory.hpp>

#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#include <boost/asio/ip/udp.hpp>

#include <algorithm>
#include <chrono>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace dial::test {
namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;
using asio::ip::udp;

std::string where_dnsmasq_is() {
    for (const char* path : {"/usr/sbin/dnsmasq", "/usr/local/sbin/dnsmasq", "/usr/bin/dnsmasq"})
        if (::access(path, X_OK) == 0) return path;
    return {};
}

// Runs as long as this does.
class dnsmasq_process {
public:
    dnsmasq_process(const std::string& program, const std::string& configuration) {
        const std::string file = "--conf-file=" + configuration;
        const char* const arguments[] = {program.c_str(), file.c_str(), nullptr};
        if (::posix_spawn(&pid_, program.c_str(), nullptr, nullptr, const_cast<char* const*>(arguments), ::environ) !=
            0)
            throw std::runtime_error{"dnsmasq cannot be started"};
    }
    dnsmasq_process(const dnsmasq_process&) = delete;
    dnsmasq_process& operator=(const dnsmasq_process&) = delete;
    ~dnsmasq_process() {
        if (over_) return;
        ::kill(pid_, SIGTERM);
        ::waitpid(pid_, nullptr, 0);
    }

    bool has_ended() {
        if (!over_) over_ = ::waitpid(pid_, nullptr, WNOHANG) == pid_;
        return over_;
    }

private:
    pid_t pid_ = -1;
    bool over_ = false;
};

class dnsmasq : public testing::Test {
protected:
    void SetUp() override {
        const std::string program = where_dnsmasq_is();
        if (program.empty()) GTEST_SKIP() << "dnsmasq is not installed (apt install dnsmasq-base)";
        for (int tries = 0; tries != 5 && !process_; ++tries) begin(program);  // the port may go to another meanwhile
        ASSERT_TRUE(process_) << "dnsmasq does not answer";
    }

    answer ask(const std::string& name, record_type type = record_type::a) {
        heard_answer heard;
        dial::resolve(io, *names_, {name, type}, heard.handler());
        run(io);
        EXPECT_EQ(heard.calls, 1);
        return heard.given;
    }

    std::string address_;
    std::optional<dns_resolver> names_;
    asio::io_context io;

private:
    void begin(const std::string& program) {
        const std::string port = std::to_string(free_port());
        std::ostringstream text;
        text << "keep-in-foreground\nno-daemon\nno-resolv\nno-hosts\nno-poll\nbind-interfaces\nlog-facility=/dev/null\n"
             << "pid-file=\nuser=" << (::getuid() == 0 ? "root" : "") << "\n"
             << "listen-address=127.0.0.1\nport=" << port << "\nlocal=/test/\nlocal-ttl=70\n"
             << "host-record=both.test,127.0.0.1,::1,90\nhost-record=four.test,127.0.0.1\nhost-record=six.test,::1\n"
             << "address=/wild.test/127.0.0.1\ncname=alias.test,both.test,40\n"
             << "srv-host=_sip._tcp.test,both.test,5060,10,60\ntxt-record=text.test,hello\n"
             << "dns-rr=web.test,65,000100"
             << "00010003026832"   // 1 . alpn=h2
             << "0003000220fb\n";  // port=8443
        const std::string file = files_.write("dnsmasq.conf", text.str());
        address_ = "127.0.0.1:" + port;
        const auto options = dns_options().server(address_).search({}).hosts_file(false).resolv_conf("/dev/null");
        process_.emplace(program, file);
        names_.emplace(dns_options{options}.timeout(20ms).tries(1));
        const auto end = std::chrono::steady_clock::now() + 20s;
        while (ask("four.test").error()) {
            if (process_->has_ended() || std::chrono::steady_clock::now() > end) return process_.reset();
        }
        names_.emplace(dns_options{options}.timeout(5s));
    }

    static unsigned short free_port() {
        asio::io_context none;
        return udp::socket{none, {asio::ip::address_v4::loopback(), 0}}.local_endpoint().port();
    }

    temporary_directory files_;
    std::optional<dnsmasq_process> process_;
};

TEST_F(dnsmasq, gives_addresses_of_either_family_with_their_ttl) {
    const answer four = ask("both.test"), six = ask("both.test", record_type::aaaa);
    EXPECT_EQ(four.error(), success);
    EXPECT_EQ(four.addresses(), addresses({"127.0.0.1"}));
    EXPECT_EQ(four.ttl(), 90s);
    EXPECT_EQ(four.source(), address_);
    EXPECT_EQ(six.addresses(), addresses({"::1"}));
    EXPECT_EQ(ask("four.test").ttl(), 70s);
    EXPECT_EQ(ask("any.thing.wild.test").addresses(), addresses({"127.0.0.1"}));
}

TEST_F(dnsmasq, tells_no_such_name_from_no_such_address) {
    EXPECT_EQ(ask("nobody.test").error(), not_found);
    const answer none = ask("four.test", record_type::aaaa);
    EXPECT_EQ(none.error(), success);
    EXPECT_TRUE(none.empty());
}

TEST_F(dnsmasq, refuses_what_it_would_have_to_ask_others) {
    EXPECT_EQ(ask("example.com").error(), no_recovery);
}

TEST_F(dnsmasq, gives_what_is_behind_a_cname) {
    const answer found = ask("alias.test");
    EXPECT_EQ(found.addresses(), addresses({"127.0.0.1"}));
    EXPECT_EQ(found.ttl(), 40s);
}

TEST_F(dnsmasq, gives_srv_and_https_records) {
    EXPECT_EQ(
        ask("_sip._tcp.test", record_type::srv).services(), (std::vector<service_record>{{10, 60, 5060, "both.test"}}));
    const answer web = ask("web.test", record_type::https);
    ASSERT_EQ(web.bindings().size(), 1u);
    EXPECT_EQ(web.bindings()[0].to_string(), "1 . alpn=h2 port=8443");
}

TEST_F(dnsmasq, answers_whole_dials) {
    const tcp_server four, six{"::1", 4096, four.endpoint().port()};
    for (const std::string host : {"both.test", "alias.test", "four.test", "six.test", "x.wild.test", "nobody.test"}) {
        error_code heard = aborted;
        dialer{io, {}, *names_}.connect(
            host + ":" + std::to_string(four.endpoint().port()), [&](error_code ec, const tcp::socket& s) {
                heard = ec;
                EXPECT_EQ(!ec, s.is_open());
            });
        run(io);
        EXPECT_EQ(heard, host == "nobody.test" ? not_found : success) << host;
    }
}

TEST_F(dnsmasq, answers_many_lookups_at_once) {
    std::vector<heard_answer> heard(500);
    for (std::size_t i = 0; i != heard.size(); ++i)
        dial::resolve(io, *names_, {"n" + std::to_string(i) + ".wild.test", record_type::a}, heard[i].handler());
    run(io);
    const auto good =
        std::ranges::count_if(heard, [](const auto& h) { return h.given.addresses() == addresses({"127.0.0.1"}); });
    EXPECT_EQ(good, 500);
}

}  // namespace
}  // namespace dial::test
