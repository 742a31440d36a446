#include "network.hpp"

#include <gtest/gtest.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <thread>

namespace dial::test {
namespace {

bool enter_fresh_namespace() {
    return ::unshare(CLONE_NEWNET) == 0;
}

bool bring_loopback_up() {
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd == -1) return false;
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    bool up = ::ioctl(fd, SIOCGIFFLAGS, &request) == 0;
    request.ifr_flags |= IFF_UP;
    up = up && ::ioctl(fd, SIOCSIFFLAGS, &request) == 0;
    ::close(fd);
    return up;
}

// The child of std::system inherits the namespace of the thread that calls it.
bool run_ip(const std::string& arguments) {
    return std::system(("PATH=\"$PATH:/usr/sbin:/sbin\" ip " + arguments).c_str()) == 0;
}

}  // namespace

std::string why_no_network_namespace() {
    static const std::string why = [] {
        if (::geteuid() != 0) return std::string{"network namespaces need root"};
        std::string answer;
        std::thread{[&] {
            if (!enter_fresh_namespace())
                answer = std::string{"no network namespace can be made here: "} + std::strerror(errno);
            else if (!run_ip("-Version > /dev/null 2>&1"))
                answer = "the command ip is missing (package iproute2)";
        }}.join();
        return answer;
    }();
    return why;
}

void network_namespace::ip(const std::string& arguments) {
    if (!run_ip(arguments)) ADD_FAILURE() << "ip " << arguments << " failed";
}

void network_namespace::sysctl(const std::string& path, const std::string& value) {
    std::ofstream file{"/proc/sys/net/" + path};  // shows the namespace of the thread that opens it
    if (!(file << value << std::flush)) ADD_FAILURE() << "cannot write " << value << " to /proc/sys/net/" << path;
}

void network_namespace::add_silent_link(const std::string& own, const std::string& peer) {
    const bool v6 = peer.find(':') != peer.npos;
    const std::string near = "near" + std::to_string(links_), far = "far" + std::to_string(links_);
    ++links_;
    ip("link add " + near + " type veth peer name " + far);
    ip("link set " + near + " up");
    ip("link set " + far + " up");
    // nodad: an IPv6 address that may be used at once
    ip("address add " + own + " dev " + near + (v6 ? " nodad" : ""));
    // A neighbour that need not be asked for: what is sent to it is lost on the way to an address that nobody has.
    ip("neighbour add " + peer + " lladdr 02:00:00:00:00:02 nud permanent dev " + near);
}

void in_network_namespace(const std::function<void(network_namespace&)>& body) {
    std::thread{[&] {
        if (!enter_fresh_namespace() || !bring_loopback_up()) {
            ADD_FAILURE() << "cannot enter a network namespace: " << std::strerror(errno);
            return;
        }
        try {
            network_namespace network;
            body(network);
        } catch (const std::exception& e) {
            ADD_FAILURE() << "exception in a network namespace: " << e.what();
        }
    }}.join();
}

}  // namespace dial::test
