#include <support/redis_server.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

namespace dial::test {
namespace {

// Each line on its input is a restart, by SIGKILL and SIGTERM in turn; the end of its input is the end. The port is free again as
// soon as the server is gone: it sets SO_REUSEADDR.
constexpr const char* keeper = R"(
start() { redis-server --port "$1" --bind 127.0.0.1 --save "" --appendonly no --daemonize no >/dev/null 2>&1 </dev/null & server=$!; }
start "$1"
signal=KILL
while read -r _; do
    kill -s "$signal" "$server"
    wait "$server" 2>/dev/null
    if [ "$signal" = KILL ]; then signal=TERM; else signal=KILL; fi
    start "$1"
done
kill -s KILL "$server"
wait "$server" 2>/dev/null
)";

bool answers(unsigned short port) {
    const descriptor fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    const asio::ip::tcp::endpoint at{asio::ip::address_v4::loopback(), port};
    return ::connect(fd.get(), at.data(), static_cast<socklen_t>(at.size())) == 0;
}

}  // namespace

bool redis_server::is_installed() {
    return std::system("command -v redis-server >/dev/null 2>&1") == 0;
}

redis_server::redis_server() {
    {
        const refusing_port free;
        port_ = free.endpoint().port();
    }
    int pipes[2];
    if (::pipe2(pipes, O_CLOEXEC) != 0) return;
    const descriptor read_end{pipes[0]};
    orders_ = descriptor{pipes[1]};
    const std::string port = std::to_string(port_);
    keeper_ = ::fork();
    if (keeper_ == 0) {
        ::dup2(pipes[0], STDIN_FILENO);
        ::execl("/bin/sh", "sh", "-c", keeper, "redis-keeper", port.c_str(), static_cast<char*>(nullptr));
        ::_exit(127);
    }
    for (int tries = 0; tries != 500 && !ready_; ++tries) {
        ready_ = answers(port_);
        if (!ready_) ::poll(nullptr, 0, 20);
    }
}

redis_server::~redis_server() {
    orders_.close();
    if (keeper_ > 0) ::waitpid(keeper_, nullptr, 0);
}

void redis_server::restart() {
    static_cast<void>(!::write(orders_.get(), "\n", 1));
}

}  // namespace dial::test
