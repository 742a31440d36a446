#!/usr/bin/env bash
# Runs one example as its head comment says, against servers on loopback that it starts and stops itself.
#
#   run_examples.sh BIN_DIR EXAMPLE
#
# Exits with 0 if output and exit code are right, 1 if not, 77 if a server that the example needs is not installed.
set -euo pipefail

if [ $# != 2 ]; then
    echo "usage: run_examples.sh BIN_DIR EXAMPLE" >&2
    exit 2
fi
bin=$(cd "$1" && pwd)
source=$(cd "$(dirname "$0")/../../examples" && pwd)
export BUILD_DIR=${bin%/*}  # for the scripts among the examples
example=$2
PATH=$PATH:/usr/sbin:/sbin  # where nginx lives, for users other than root

tmp=$(mktemp -d)
chmod 755 "$tmp"  # nginx's workers are another user
servers=()
stop_servers() {
    local pid
    for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${servers[@]}"; do wait "$pid" 2>/dev/null || true; done
    servers=()
}
trap 'stop_servers; rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

fail() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

skip() {
    printf 'skipped: %s\n' "$*"
    exit 77
}

# --- Starting servers ---

# eventually SECONDS COMMAND...: until it succeeds.
eventually() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.02
    done
}

running() { kill -0 "$1" 2>/dev/null; }
said() { grep -qE "$1" "$2" 2>/dev/null; }
said_or_gone() { said "$2" "$3" || ! running "$1"; }

# start READY COMMAND...: in the background, until its output matches READY; sets pid and log. In the command, PORT
# stands for a port that is tried, SOCKET for a path; a port that somebody has is replaced by the next try.
start() {
    local ready=$1 try
    shift
    for try in {1..20}; do
        port=$((10000 + RANDOM % 20000))  # below the ephemeral range; PORT + 1 may be used, too
        log=$tmp/log.$port
        "${@//PORT/$port}" >"$log" 2>&1 &
        pid=$!
        if ! eventually 20 said_or_gone "$pid" "$ready" "$log"; then
            kill "$pid"
            fail "$1 does not start: $(cat "$log")"
        fi
        if running "$pid"; then
            servers+=("$pid")
            return 0
        fi
        said 'in use' "$log" || fail "$1 ended: $(cat "$log")"
    done
    fail "$1 finds no free port"
}

start_echo_server() {
    start 'silent on' "$bin/echo_server" 127.0.0.1 PORT
    echo_port=$port silent_port=$((port + 1)) echo_pid=$pid
}

# --- Checking a program ---

# expect STATUS PATTERN COMMAND...: the exit code, and a line of the output (stdout and stderr).
expect() {
    local status=$1 pattern=$2 got=0
    shift 2
    echo "\$ $*"
    timeout 60 "$@" >"$tmp/out" 2>&1 || got=$?
    cat "$tmp/out"
    [ "$got" = "$status" ] || fail "exit code $got, not $status"
    said "$pattern" "$tmp/out" || fail "no line matches: $pattern"
}

refused_port() {  # of a server that has ended
    start_echo_server
    kill "$echo_pid"
    eventually 20 not_running "$echo_pid" || fail "echo_server does not end"
    closed_port=$echo_port
}
not_running() { ! running "$1"; }

# interrupt PID LOG: Ctrl-C, and its exit code.
interrupt() {
    local status=0
    kill -INT "$1"
    eventually 20 not_running "$1" || fail "does not end on Ctrl-C"
    wait "$1" || status=$?
    cat "$2"
    return "$status"
}

# --- The examples ---

run_connect_demo() {
    expect 0 '^all as promised$' "$bin/connect_demo"
}

run_echo_server() {
    start_echo_server
    interrupt "$echo_pid" "$log" || fail "exit code $?"
}

run_echo_client() {
    start_echo_server
    expect 0 '^hello, dial$' "$bin/echo_client" 127.0.0.1 "$echo_port" 'hello, dial'
    expect 0 "^connected from 127.0.0.1:[0-9]+ to 127.0.0.1:$echo_port\$" "$bin/echo_client" 127.0.0.1 "$echo_port"
    expect 0 "^connected from 127.0.0.1:[0-9]+ to 127.0.0.1:$echo_port\$" "$bin/echo_client" localhost "$echo_port"
    refused_port
    expect 1 'Connection refused' "$bin/echo_client" localhost "$closed_port"
    expect 2 'a port over 65535' "$bin/echo_client" 127.0.0.1 65536
    expect 2 'bad host "local host": a space at position 5' "$bin/echo_client" 'local host' 5555
}

run_five_tokens() {
    start_echo_server
    expect 0 '^spawn +connected' "$bin/five_tokens" localhost "$echo_port"
    local token
    for token in coroutine as_tuple callback use_future; do
        said "^$token +connected to 127.0.0.1:$echo_port\$" "$tmp/out" || fail "nothing from $token"
    done
    refused_port
    expect 1 'Connection refused' "$bin/five_tokens" 127.0.0.1 "$closed_port"
}

run_connect_timeout() {
    start_echo_server
    expect 1 "^127.0.0.1:$silent_port: timed out: not connected within the time limit .* ms\\)\$" \
        "$bin/connect_timeout" 127.0.0.1 "$silent_port" 250
    said '^the socket is open and unconnected$' "$tmp/out" || fail "nothing about the socket"
    expect 1 'timed out: not connected within the time limit \(0 ms\)' "$bin/connect_timeout" 127.0.0.1 "$echo_port" 0
    expect 0 ': connected \([0-9]+ ms\)' "$bin/connect_timeout" 127.0.0.1 "$echo_port" 60000
    expect 2 'MILLISECONDS is a number' "$bin/connect_timeout" 127.0.0.1 "$echo_port" soon
    expect 2 "an IP address .* are needed here, not 'localhost'" "$bin/connect_timeout" localhost "$echo_port" 250
}

run_connect_cancel_by_signal() {
    start_echo_server
    local program=$bin/connect_cancel_by_signal out=$tmp/cancel
    echo "\$ connect_cancel_by_signal 127.0.0.1 $silent_port 127.0.0.1 $echo_port"
    "$program" 127.0.0.1 "$silent_port" 127.0.0.1 "$echo_port" >"$out" 2>&1 &
    servers+=("$!")
    local program_pid=$!
    eventually 20 said 'Ctrl-C gives up' "$out" || fail "does not start: $(cat "$out")"
    sleep 0.2  # it connects
    interrupt "$program_pid" "$out" || fail "exit code $?"
    said '^cancelled: Operation canceled$' "$out" || fail "not cancelled"
    said "^the same socket connected to 127.0.0.1:$echo_port\$" "$out" || fail "the socket did not connect again"
    expect 0 "^connected to 127.0.0.1:$echo_port\$" "$program" 127.0.0.1 "$echo_port" 127.0.0.1 "$echo_port"
}

run_many_connects() {
    start_echo_server
    expect 0 '^200 x connected$' "$bin/many_connects" localhost "$echo_port" 200
    said '200 of 200 done, 0 failed' "$tmp/out" || fail "no progress line"
    refused_port
    expect 1 '^20 x Connection refused$' "$bin/many_connects" 127.0.0.1 "$closed_port" 20
}

run_race_addresses() {
    start_echo_server
    expect 0 "^connected to 127.0.0.1:$echo_port in " "$bin/race_addresses" localhost "$echo_port"
    said "^\[::1\]:$echo_port .* connection refused" "$tmp/out" || fail "nothing about the address that refused"
    said "^127.0.0.1:$echo_port .* connected from 127.0.0.1" "$tmp/out" || fail "nothing about the one that connected"
    refused_port
    expect 1 "^cannot connect to localhost:$closed_port: connection refused; is the server running" \
        "$bin/race_addresses" localhost "$closed_port"
}

run_observe_dials() {
    start_echo_server
    expect 0 "^attempt 1 to 127.0.0.1:$echo_port ended: done\$" "$bin/observe_dials" localhost "$echo_port"
    said "^attempt 0 to \[::1\]:$echo_port ended: failed, Connection refused\$" "$tmp/out" || fail "no failed attempt"
    said '^race started$' "$tmp/out" && said '^race ended: done$' "$tmp/out" || fail "no phase"
    refused_port
    expect 1 '^race ended: failed, Connection refused$' "$bin/observe_dials" 127.0.0.1 "$closed_port"
}

run_own_resolver() {
    start_echo_server
    expect 0 "^connected to 127.0.0.1:$echo_port in " "$bin/own_resolver" echo.test=127.0.0.1 echo.test "$echo_port"
    said '^resolve +AAAA +no addresses .* A +1 address ' "$tmp/out" || fail "nothing about the lookups"
    expect 0 "^connected to 127.0.0.1:$echo_port in " "$bin/own_resolver" echo.test=::1 localhost "$echo_port"
    refused_port
    expect 1 '^cannot connect to echo.test' "$bin/own_resolver" echo.test=::1 echo.test "$closed_port"
    expect 2 'usage: own_resolver' "$bin/own_resolver" echo.test localhost "$closed_port"
}

run_dead_ipv6.sh() {
    [ "$(id -u)" = 0 ] || skip "not root, which a network namespace needs"
    local works='' probe=dial-probe-$$
    if ip netns add "$probe" && ip netns exec "$probe" true; then works=yes; fi
    ip netns del "$probe" || true
    [ -n "$works" ] || skip "ip netns exec does not work here (a chroot?)"
    expect 0 '^connected to 192.0.2.7:5555 in 2[5-9][0-9] ms' "$source/dead_ipv6.sh"
    said '^\[2001:db8::1\]:5555 .* cancelled, another won' "$tmp/out" || fail "nothing about the dead address"
    expect 0 '"peer":"192.0.2.7:5555"' "$source/dead_ipv6.sh" --json
}

run_compose_thread_pool() {
    start_echo_server
    start 'forwarding' "$bin/compose_thread_pool" PORT localhost "$echo_port"
    local forwarder=$pid forwarder_log=$log
    expect 0 '^through$' "$bin/echo_client" 127.0.0.1 "$port" through
    expect 0 '^300 x connected$' "$bin/many_connects" 127.0.0.1 "$port" 300
    kill "$echo_pid"
    eventually 20 not_running "$echo_pid" || fail "echo_server does not end"
    expect 1 'End of file|reset' "$bin/echo_client" 127.0.0.1 "$port"
    interrupt "$forwarder" "$forwarder_log" || fail "exit code $?"
    said "^compose_thread_pool: localhost:$echo_port: Connection refused\$" "$forwarder_log" || fail "no error line"
    said ' clients served, [1-9]' "$forwarder_log" || fail "no summary"
}

# start_dnsmasq OPTION...: sets dns; all names under test are 127.0.0.1.
start_dnsmasq() {
    command -v dnsmasq >/dev/null || skip "no dnsmasq (apt install dnsmasq-base)"
    start 'started' dnsmasq --no-daemon --log-facility=- --conf-file=/dev/null --no-resolv --no-hosts \
        --listen-address=127.0.0.1 --bind-interfaces --port=PORT --local=/test/ --address=/test/127.0.0.1 \
        --local-ttl=300 "$@"
    dns=127.0.0.1:$port
}

run_resolve_many() {
    start_echo_server
    start_dnsmasq
    expect 0 '^1000 connected in [0-9]+ ms' "$bin/resolve_many" "$dns" test "$echo_port" 1000
    refused_port
    expect 1 '^50 x Connection refused$' "$bin/resolve_many" "$dns" test "$closed_port" 50
    expect 1 '^3 x A non-recoverable error' "$bin/resolve_many" "$dns" invalid.test.nowhere "$closed_port" 3
    expect 2 'usage: resolve_many' "$bin/resolve_many" "$dns"
    expect 2 'bad DNS server' "$bin/resolve_many" nonsense test "$closed_port" 3
}

run_srv_client() {
    refused_port
    start_echo_server
    start_dnsmasq --srv-host=_echo._tcp.test,dead.test,"$closed_port",1 --srv-host=_echo._tcp.test,alive.test,"$echo_port",2
    expect 0 "^connected to 127.0.0.1:$echo_port in " "$bin/srv_client" "$dns" _echo._tcp.test
    said "^resolve +SRV +2 hosts .*\(TTL 300 s, $dns\)" "$tmp/out" || fail "nothing about the record"
    said "^127.0.0.1:$closed_port .* connection refused" "$tmp/out" || fail "nothing about the first host"
    expect 1 'no such service' "$bin/srv_client" "$dns" _other._tcp.test
    expect 2 'no name of a service' "$bin/srv_client" "$dns" test
}

start_redis() {
    command -v redis-server >/dev/null || skip "no redis-server (apt install redis-server)"
    start 'Ready to accept connections unix|The server is now ready to accept connections at' \
        redis-server --port PORT --bind 127.0.0.1 --unixsocket "$tmp/redis.sock" --dir "$tmp" --save '' --daemonize no
}

run_redis_ping() {
    start_redis
    expect 0 '^PONG$' "$bin/redis_ping" localhost "$port"
    expect 0 '^PONG$' "$bin/redis_ping" "127.0.0.1:$port"
    expect 0 '^PONG$' "$bin/redis_ping" "unix:$tmp/redis.sock"
    expect 1 'No such file or directory' "$bin/redis_ping" "unix:$tmp/nothing"
    expect 2 'usage: redis_ping' "$bin/redis_ping"
}

run_redis_pool() {
    start_redis
    expect 0 '^one by one: 20000 of 20000 commands in ' "$bin/redis_pool" "localhost:$port" 20000 100 4 10
    said '^  connections opened: 4, handed out: 20000 times; waits: ' "$tmp/out" || fail "not one by one"
    said '^10 in one go: 20000 of 20000 commands in ' "$tmp/out" && said '^  connections opened: 4, handed out: 2000 times' "$tmp/out" ||
        fail "not in batches"
    expect 0 '^  connections opened: 1, handed out: 30 times' "$bin/redis_pool" "localhost:$port" 30 3 1 1
    [ "$(redis-cli -p "$port" dbsize)" = 0 ] || fail "keys are left behind"

    # Connections are cut while they are used: what may be done twice is done, and only INCR fails. It is not known how often, but
    # the program compares the counter.
    cut_connections "$port" &
    local cutter=$!
    servers+=("$cutter")
    expect 1 '^  [0-9]+ times done again on another connection$' "$bin/redis_pool" "localhost:$port" 100000 100 4 1
    kill "$cutter" 2>/dev/null || true
    said '^  [0-9]+ x INCR: (End of file|Connection reset|Broken pipe)' "$tmp/out" || fail "INCR did not fail"
    if said ' x (PING|SET|GET)' "$tmp/out"; then fail "what may be done twice was not done"; fi

    refused_port
    expect 1 '^redis_pool: Connection refused$' "$bin/redis_pool" "localhost:$closed_port"
    start_echo_server
    expect 1 'a new connection of the pool could not be prepared' "$bin/redis_pool" "localhost:$echo_port"
    expect 2 'BATCH is a number' "$bin/redis_pool" "localhost:$port" 10 10 10 ten
}
cut_connections() {
    while :; do
        sleep 0.15
        redis-cli -p "$1" client list | grep -q name=redis_pool || continue
        redis-cli -p "$1" client kill type normal >/dev/null
    done
}

run_http_get() {
    command -v nginx >/dev/null || skip "no nginx (apt install nginx-light)"
    mkdir -p "$tmp/www"
    echo 'hello from nginx' >"$tmp/www/index.html"
    start 'start worker process ' start_nginx PORT
    expect 0 '^hello from nginx$' "$bin/http_get" localhost "$port" /
    said '^HTTP 200 OK$' "$tmp/out" || fail "no status line"
    expect 1 '^HTTP 404 Not Found$' "$bin/http_get" 127.0.0.1 "$port" /nothing
}

run_http_pool() {
    command -v nginx >/dev/null || skip "no nginx (apt install nginx-light)"
    mkdir -p "$tmp/www"
    echo 'hello from nginx' >"$tmp/www/index.html"
    http_settings='keepalive_requests 90;'  # far fewer than pages per connection
    start 'start worker process ' start_nginx PORT
    local web=localhost:$port master=$pid
    expect 0 '^10000 of 10000 pages, 170000 bytes in ' "$bin/http_pool" "$web"
    said '^connections opened: 1(1[2-9]|2[0-9]), failed to open: 0, handed out: 10000 times' "$tmp/out" ||
        fail "not 112 connections (10000 / 90), or a few more at the end"
    head -c 300000 /dev/zero >"$tmp/www/big"
    expect 0 '^200 of 200 pages, 60000000 bytes in ' "$bin/http_pool" "$web" /big 200
    expect 1 '^50 x HTTP 404 Not Found$' "$bin/http_pool" "$web" /nothing 50
    said '^0 of 50 pages' "$tmp/out" || fail "counted as successful"

    # Connections are closed under the client's hands.
    while running "$master" && sleep 0.1; do kill -HUP "$master"; done &
    local reloader=$!
    servers+=("$reloader")
    expect 0 '^30000 of 30000 pages' "$bin/http_pool" "$web" / 30000
    kill "$reloader" 2>/dev/null || true

    refused_port
    expect 1 'no connection: Connection refused$' "$bin/http_pool" "localhost:$closed_port" / 10
    start_echo_server
    expect 1 '^3 x ' "$bin/http_pool" "localhost:$echo_port" / 3
    expect 2 'PAGES is a number' "$bin/http_pool" "$web" / none
}

run_pool_spdlog() {
    expect 0 '^debug pool acquired target="127.0.0.1:[0-9]+" connection=1 reused=true waited_ms=' "$bin/pool_spdlog"
    local line
    for line in 'trace pool opening .* connection=1 in_use=0 idle=0 connecting=1 waiting=2' \
        'debug pool opened .* connection=1 took_ms=[0-9.]+ in_use=0 idle=1 connecting=0 waiting=2' \
        'info pool closed .* connection=1 why=dead in_use=0 idle=0 connecting=0 waiting=0' \
        'warning pool open_failed .* connection=2 error="Connection refused" took_ms=' \
        'warning pool wait_ended .*" error="timed out: .*" waited_ms=[0-9.]+ in_use=1 ' \
        'debug pool closed .* connection=3 why=discarded '; do
        said "^$line" "$tmp/out" || fail "no line: $line"
    done
}

run_pool_sizes() {
    expect 0 '^connections  requests/s ' "$bin/pool_sizes" 0.2
    said '^ +1 +[1-9][0-9]* +[0-9.]+ ms' "$tmp/out" && said '^ +64 +[1-9][0-9]* +[0-9]+[.][0-9] ms' "$tmp/out" || fail "not all sizes"
    expect 2 '^usage: pool_sizes ' "$bin/pool_sizes" long
}

run_pool_prometheus() {
    refused_port
    start_echo_server
    start '^scrape ' "$bin/pool_prometheus" "localhost:$echo_port" "localhost:$closed_port" $'unix:/tmp/a "b"\\c\nd'
    local page=$log scrape=$tmp/scrape program=$pid
    port=$(sed -n 's|^scrape http://127.0.0.1:\([0-9]*\)/metrics$|\1|p' "$page")
    get_with_bash "$port" /else
    said '^HTTP/1.1 404 ' "$scrape" || fail "answers anything: $(cat "$scrape")"
    get_with_bash "$port" /metrics
    cat "$scrape"
    eventually 20 not_running "$program" || fail "more than one scrape"
    wait "$program" || fail "exit code $?"

    said '^HTTP/1.1 200 ' "$scrape" || fail "no scrape"
    said '^Content-Type: text/plain; version=0.0.4; charset=utf-8.?$' "$scrape" || fail "another content type"
    sed '1,/^\r*$/d' "$scrape" >"$tmp/body"
    sed '1,/^scrape /d' "$page" | cmp - "$tmp/body" || fail "what is printed is not what is served"
    local sample
    for sample in 'connections{target="localhost:'"$echo_port"'",state="in_use"} 1' \
        'opened_total{target="localhost:'"$echo_port"'"} 2' \
        'acquired_total{target="localhost:'"$echo_port"'"} 121' \
        'reused_total{target="localhost:'"$echo_port"'"} 119' \
        'closed_total{target="localhost:'"$echo_port"'",reason="idle_timeout"} 0' \
        'wait_seconds_count{target="localhost:'"$echo_port"'"} 121' \
        'open_failed_total{target="localhost:'"$closed_port"'"} 7' \
        'open_failed_total{target="unix:/tmp/a \"b\"\\c\nd"} 7'; do
        grep -qxF "dial_pool_$sample" "$tmp/body" || fail "no sample: $sample"
    done
    awk "$prometheus_rules" "$tmp/body" || fail "not as Prometheus wants it"
}
prometheus_rules='
function bad(why) { print "line " NR ": " why ": " $0; failed = 1; exit 1 }
/^# HELP / { if (helped[$3]++) bad("a second HELP"); next }
/^# TYPE / { if (typed[$3]++ || !helped[$3]) bad("a second TYPE, or no HELP"); family = $3; type = $4; next }
!/^[a-z_]+[{].*[}] [0-9.e+-]+$/ { bad("no sample") }
{
    name = $0; sub(/[{].*/, "", name)
    if (type == "histogram") sub(/_(bucket|sum|count)$/, "", name)
    if (name != family) bad("in another family")
    if ((type == "counter") != (name ~ /_total$/)) bad("a counter is _total, and nothing else is")
    samples++
}
/_bucket[{]/ {
    target = $0; sub(/,le=.*/, "", target); sub(/.*_bucket/, "", target)
    if (target == last_target && $NF + 0 < so_far) bad("less than in the bucket before")
    last_target = target; so_far = $NF + 0
    if (/le="[+]Inf"/) infinite[target "}"] = so_far
}
/_count[{]/ {
    target = $0; sub(/.*_count/, "", target); sub(/ [^ ]*$/, "", target)
    if (!(target in infinite) || infinite[target] != $NF + 0) bad("not what the bucket +Inf has")
    histograms++
}
END { if (failed) exit 1; print samples " samples, " histograms " histograms"; exit histograms != 3 }
'
# get_with_bash PORT PATH: the whole answer is in $tmp/scrape then.
get_with_bash() {
    local connection
    exec {connection}<>"/dev/tcp/127.0.0.1/$1"
    printf 'GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n' "$2" >&"$connection"
    timeout 20 cat <&"$connection" >"$tmp/scrape"
    exec {connection}>&-
}

# The same page over HTTP and HTTPS, and both proxies: real ones.
run_http_over() {
    local program
    for program in nginx openssl microsocks tinyproxy; do
        command -v "$program" >/dev/null || skip "no $program (apt install nginx-light openssl microsocks tinyproxy)"
    done
    mkdir -p "$tmp/www"
    echo 'hello from nginx' >"$tmp/www/index.html"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
        -addext 'subjectAltName=DNS:localhost' -keyout "$tmp/key.pem" -out "$tmp/cert.pem" 2>"$tmp/openssl.log" ||
        fail "no certificate: $(cat "$tmp/openssl.log")"
    export SSL_CERT_FILE=$tmp/cert.pem
    start 'start worker process ' start_nginx PORT tls
    local web=localhost:$port secure=localhost:$((port + 1))
    start_listening microsocks -i 127.0.0.1 -p PORT
    local socks=127.0.0.1:$port
    start_listening start_tinyproxy PORT
    local tunnel=127.0.0.1:$port

    expect 0 '^hello from nginx$' "$bin/http_over" direct "$web"
    expect 0 '^hello from nginx$' "$bin/http_over" socks5 "$web" "$socks"
    said "^connected to $web through $socks in " "$tmp/out" || fail "not through the proxy"
    expect 0 '^hello from nginx$' "$bin/http_over" tunnel "$web" "$tunnel"
    said "^connected to $web through $tunnel in " "$tmp/out" || fail "not through the proxy"
    expect 0 '^hello from nginx$' "$bin/http_over" tls "$secure"
    said '^tls .* done, TLSv1.3' "$tmp/out" || fail "no handshake in the report"
    expect 0 '^hello from nginx$' "$bin/http_over" tls-chain "$secure" "$socks" "$tunnel"
    said "^proxy $tunnel .* tunnel open" "$tmp/out" && said "^proxy $socks .* tunnel open" "$tmp/out" ||
        fail "not through both proxies"

    expect 1 'the target refused the proxy.s connection' "$bin/http_over" socks5 127.0.0.1:1 "$socks"
    SSL_CERT_FILE=$tmp/nothing expect 1 'self-signed certificate' "$bin/http_over" tls "$secure"
    expect 1 'IP address mismatch' "$bin/http_over" tls "127.0.0.1:${secure#*:}"
    expect 2 'the road is one of' "$bin/http_over" by-air "$web"
}

# As start, for a program that says nothing when it is ready: until its port takes connections.
start_listening() {
    local try
    for try in {1..20}; do
        port=$((10000 + RANDOM % 20000))
        log=$tmp/log.$port
        "${@//PORT/$port}" >"$log" 2>&1 &
        pid=$!
        if eventually 10 listening_or_gone "$pid" "$port" && running "$pid"; then
            servers+=("$pid")
            return 0
        fi
    done
    fail "$1 does not start: $(cat "$log")"
}
listening() { ss -Hltn "sport = :$1" | grep -q .; }
listening_or_gone() { listening "$2" || ! running "$1"; }

start_tinyproxy() {
    cat >"$tmp/tinyproxy.conf" <<EOF
Port $1
Listen 127.0.0.1
Timeout 60
Allow 127.0.0.1
EOF
    exec tinyproxy -d -c "$tmp/tinyproxy.conf"
}

# start_nginx PORT [tls]: with TLS at the next port.
start_nginx() {
    local tls=''
    [ $# = 1 ] ||
        tls="server { listen 127.0.0.1:$(($1 + 1)) ssl; ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate $tmp/cert.pem; ssl_certificate_key $tmp/key.pem; root www; }"
    cat >"$tmp/nginx.conf" <<EOF
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr notice;
events {}
http {
    access_log off;
    ${http_settings:-}
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server { listen 127.0.0.1:$1; root www; }
    $tls
}
EOF
    exec nginx -p "$tmp" -c nginx.conf
}

[ "$(type -t "run_$example")" = function ] || fail "no example '$example'"
[ -x "$bin/$example" ] || [ -x "$source/$example" ] || fail "not built: $bin/$example"
"run_$example"
echo "passed: $example"
