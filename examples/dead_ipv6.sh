#!/usr/bin/env bash
# Dials a name whose IPv6 address is dead, in a network namespace made for it and removed again. Needs root (and ip,
# from iproute2), and what the preset release builds.
#
#   $ examples/dead_ipv6.sh
#   ... (the commands that make the namespace)
#   $ ip netns exec $name dial example.test 5555
#   resolve   AAAA  1 address   0.0 ms     A  1 address   0.0 ms
#   ... (the timeline: the IPv6 address stays silent, the IPv4 address is tried after 250 ms, and connects)
#
# Other arguments go to the command: examples/dead_ipv6.sh --json. BUILD_DIR says where the programs are, if not in
# build/release. Shows: what a race saves. Next: ../docs/race.md.
set -euo pipefail
cd "$(dirname "$0")/.."

build=${BUILD_DIR:-build/release}
dial=$build/src/cli/dial
echo_server=$build/examples/echo_server
for program in "$dial" "$echo_server"; do
    [ -x "$program" ] || { echo "dead_ipv6.sh: not built: $program" >&2 && exit 1; }
done
[ "$(id -u)" = 0 ] || { echo "dead_ipv6.sh: a network namespace needs root; try sudo $0" >&2 && exit 1; }
PATH=$PATH:/usr/sbin:/sbin

name=dead-ipv6-$$
hosts=/etc/netns/$name  # what is in here, `ip netns exec` puts over the files in /etc
servers=()
clean_up() {
    for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true; done
    ip netns del "$name" 2>/dev/null || true
    rm -rf "$hosts"
    rmdir --ignore-fail-on-non-empty /etc/netns 2>/dev/null || true
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

show() { echo "\$ ${*//$name/\$name}"; }
run() { show "$@" && "$@"; }

run ip netns add "$name"
run ip -n "$name" link set lo up
run ip -n "$name" link add wire type veth peer name far
run ip -n "$name" link set wire up
run ip -n "$name" link set far up
run ip -n "$name" address add 2001:db8::100/64 dev wire nodad
run ip -n "$name" neighbour add 2001:db8::1 lladdr 02:00:00:00:00:01 dev wire nud permanent
run ip -n "$name" address add 192.0.2.7/32 dev lo

run mkdir -p "$hosts"
echo '$ printf "2001:db8::1 example.test\n192.0.2.7 example.test\n" >/etc/netns/$name/hosts'
printf '2001:db8::1 example.test\n192.0.2.7 example.test\n' >"$hosts/hosts"

show ip netns exec "$name" echo_server 192.0.2.7 5555 '&'
ip netns exec "$name" "$echo_server" 192.0.2.7 5555 >/dev/null &
servers+=("$!")
listening() { [ -n "$(ip netns exec "$name" ss -Htln 'sport = :5555')" ]; }
for _ in {1..100}; do
    if listening; then break; fi
    sleep 0.05
done

show ip netns exec "$name" dial "$@" example.test 5555
ip netns exec "$name" "$dial" "$@" example.test 5555
