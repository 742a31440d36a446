// A network of one's own: a fresh network namespace for one test, with `lo` up and nothing else in it.
#pragma once

#include <functional>
#include <string>

namespace dial::test {

// Why network namespaces cannot be had here; empty if they can. For GTEST_SKIP.
std::string why_no_network_namespace();

// What can be done to the namespace that the calling thread is in. Each complains through GoogleTest when it fails.
class network_namespace {
public:
    // Runs `ip <arguments>` (iproute2).
    void ip(const std::string& arguments);

    // Writes /proc/sys/net/<path>, as "ipv4/ip_local_port_range".
    void sysctl(const std::string& path, const std::string& value);

    // A link whose far end throws everything away: packets to `peer` leave, and no answer ever comes. `own` is this
    // side's address, with its prefix length: add_silent_link("10.9.0.1/24", "10.9.0.2").
    void add_silent_link(const std::string& own, const std::string& peer);

private:
    int links_ = 0;
};

// Runs `body` on a thread of its own inside a fresh namespace, and waits for it. A namespace belongs to a thread: sockets
// that `body` makes live there, also those made by an io_context that it runs itself. An exception becomes a failure.
void in_network_namespace(const std::function<void(network_namespace&)>& body);

}  // namespace dial::test
