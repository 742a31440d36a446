#!/usr/bin/env bash
# Runs the dial command as a user would, against servers on loopback that it starts and stops itself.
#
#   run_cli.sh DIAL ECHO_SERVER CASE
#
# Exits with 0 if output and exit code are right, 1 if not, 77 if something that the case needs is not here.
set -euo pipefail

if [ $# != 3 ]; then
    echo "usage: run_cli.sh DIAL ECHO_SERVER CASE" >&2
    exit 2
fi
for program in "$1" "$2"; do
    [ -x "$program" ] || { echo "not built: $program" >&2 && exit 1; }
done
dial=$(realpath "$1")
echo_server=$(realpath "$2")
wanted=$3
unset COLUMNS NO_COLOR
export TERM=xterm

tmp=$(mktemp -d)
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

need() {  # PROGRAM PACKAGE
    command -v "$1" >/dev/null || skip "no $1 (apt install $2)"
}

# --- Servers ---

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
not_running() { ! running "$1"; }
said() { grep -qE -- "$1" "$2" 2>/dev/null; }
said_or_gone() { said "$2" "$3" || ! running "$1"; }

# start_echo_server HOST: sets port, which answers, and silent, which never does.
start_echo_server() {
    local try log
    for try in {1..20}; do
        port=$((10000 + RANDOM % 20000))  # below the ephemeral range
        silent=$((port + 1))
        log=$tmp/log.$port
        "$echo_server" "$1" "$port" >"$log" 2>&1 &
        echo_pid=$!
        servers+=("$echo_pid")
        eventually 20 said_or_gone "$echo_pid" 'silent on' "$log" || fail "echo_server does not start: $(cat "$log")"
        if running "$echo_pid"; then return 0; fi
        said 'in use' "$log" || break
    done
    echo "echo_server on $1: $(cat "$log")"
    return 1
}

start_v4() { start_echo_server 127.0.0.1 || fail "no server"; }

stop_echo_server() {  # from then on, port refuses
    kill "$echo_pid"
    eventually 20 not_running "$echo_pid" || fail "echo_server does not end"
}

# --- Checking the command ---

# run STATUS ARGUMENT...: the exit code; stdout is in $out, stderr in $err.
out=$tmp/out err=$tmp/err
run() {
    local status=$1 got=0
    shift
    echo "\$ dial $*"
    timeout 60 "$dial" "$@" >"$out" 2>"$err" </dev/null || got=$?
    cat "$out" "$err"
    [ "$got" = "$status" ] || fail "exit code $got, not $status"
}

first_line() { said "$1" <(head -n 1 "$out") || fail "the first line does not match: $1"; }
last_line() { said "$1" <(tail -n 1 "$out") || fail "the last line does not match: $1"; }
some_line() { said "$1" "$out" || fail "no line matches: $1"; }
no_line() { ! said "$1" "$out" || fail "a line matches: $1"; }
empty() { [ ! -s "$1" ] || fail "not empty: $(cat "$1")"; }
lines() { [ "$(wc -l <"$2")" = "$1" ] || fail "not $1 lines: $(cat "$2")"; }

# bad_usage PATTERN ARGUMENT...
bad_usage() {
    local pattern=$1
    shift
    run 2 "$@"
    empty "$out"
    lines 1 "$err"
    said "^dial: .*$pattern" "$err" || fail "stderr does not match: $pattern"
}

# on_terminal STATUS SIZE ARGUMENT...: on a terminal of "rows R cols C". What it was sent is in $out. If $keys is not
# empty, it is typed when the first frame is there.
keys=''
on_terminal() {
    local status=$1 size=$2 got=0
    shift 2
    need script bsdutils
    script -qefc true /dev/null </dev/null >/dev/null 2>&1 || skip "no pseudo-terminal can be made here (devpts)"
    echo "\$ dial $*    (on a terminal, $size)"
    : >"$out"
    [ -e "$tmp/keyboard" ] || mkfifo "$tmp/keyboard"
    exec 3<>"$tmp/keyboard"  # it stays open: its end would be one for the command
    timeout 60 script -qefc "stty $size; exec '$dial' $*" "$out" <&3 >/dev/null &
    local pid=$!
    servers+=("$pid")
    if [ -n "$keys" ]; then
        eventually 20 said 'still trying' "$out" || fail "no first frame: $(cat -v "$out")"
        printf '%s' "$keys" >&3
    fi
    wait "$pid" || got=$?
    exec 3>&-
    cat -v "$out"
    [ "$got" = "$status" ] || fail "exit code $got, not $status"
}

escape=$'\x1b'
count() { grep -oE -- "$1" "$out" | wc -l; }

# --- The cases ---

case_connected() {
    start_v4
    run 0 "127.0.0.1:$port"
    some_line "^127\.0\.0\.1:$port .*connected from 127\.0\.0\.1 "
    last_line "^connected to 127\.0\.0\.1:$port in "
    empty "$err"
}

case_host_and_port_as_two_arguments() {
    start_v4
    run 0 127.0.0.1 "$port"
    last_line "^connected to 127\.0\.0\.1:$port in "
    run 0 127.0.0.1 --timeout 5 "$port"
}

case_literal_v6_as_two_arguments() {
    start_echo_server ::1 || skip "no IPv6 on loopback"
    run 0 ::1 "$port"
    last_line "^connected to \[::1\]:$port in "
    run 0 '[::1]' "$port"
    run 0 "[::1]:$port"
}

case_localhost() {
    start_v4
    run 0 localhost "$port"
    last_line "^connected to 127\.0\.0\.1:$port in "
    run 0 -4 localhost "$port"
    no_line '::1'
    run 1 -6 localhost "$port"
    no_line "127\.0\.0\.1"
}

case_refused() {
    start_v4
    stop_echo_server
    run 1 "127.0.0.1:$port"
    first_line "^cannot connect to 127\.0\.0\.1:$port: connection refused; is the server running"
    some_line "^127\.0\.0\.1:$port .*connection refused"
    empty "$err"
}

case_timeout() {
    start_v4
    run 1 --timeout 150ms "127.0.0.1:$silent"
    first_line "^cannot connect to 127\.0\.0\.1:$silent: no answer within the time limit"
    some_line "^127\.0\.0\.1:$silent .*no answer in time"
    run 1 --timeout 0 "127.0.0.1:$port"
}

case_unix_socket() {
    need python3 python3
    cat >"$tmp/listen.py" <<'PYTHON'
import signal, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
print("listens", flush=True)
signal.pause()
PYTHON
    python3 "$tmp/listen.py" "$tmp/a socket" >"$tmp/listen.log" 2>&1 &
    servers+=("$!")
    eventually 20 said listens "$tmp/listen.log" || fail "does not listen: $(cat "$tmp/listen.log")"
    run 0 "unix:$tmp/a socket"
    last_line "^connected to unix:$tmp/a socket in "
    run 1 "unix:$tmp/nothing"
    first_line "^cannot connect to unix:$tmp/nothing: no such file or directory"
    run 0 --json "unix:$tmp/a socket"
    is_one_json_object
}

is_one_json_object() {
    lines 1 "$out"
    empty "$err"
    some_line '^\{.*\}$'
    if command -v python3 >/dev/null; then
        python3 -m json.tool "$out" >/dev/null || fail "this is no JSON"
    fi
}

case_json_is_one_object() {
    start_v4
    run 0 --json "127.0.0.1:$port"
    is_one_json_object
    stop_echo_server
    run 1 --json "127.0.0.1:$port"
    is_one_json_object
    run 1 --json --timeout 0 localhost "$port"
    is_one_json_object
    bad_usage 'bad target' --json nowhere
}

case_json_members() {
    start_v4
    run 0 --json "127.0.0.1:$port"
    some_line '"ok":true[,}]'
    some_line "\"peer\":\"127\.0\.0\.1:$port\""
    some_line '"elapsed_ms":[0-9.]+[,}]'
    some_line '"error":null'
    some_line '"attempts":\[\{'
    stop_echo_server
    run 1 --json "127.0.0.1:$port"
    some_line '"ok":false[,}]'
    some_line '"peer":null'
    some_line '"error":"Connection refused"'
}

case_quiet() {
    start_v4
    run 0 --quiet "127.0.0.1:$port"
    empty "$out"
    stop_echo_server
    run 1 --quiet "127.0.0.1:$port"
    empty "$out"
    empty "$err"
    bad_usage 'no target' --quiet
}

case_source() {
    start_v4
    run 0 --source 127.0.0.2 "127.0.0.1:$port"
    some_line 'connected from 127\.0\.0\.2 '
    run 0 --source 127.0.0.3 --source ::1 localhost "$port"
    some_line 'connected from 127\.0\.0\.3 '
    run 0 --source 127.0.0.4 localhost "$port"
    no_line '::1'  # nothing connects from an address that was not given
}

case_bad_usage() {
    bad_usage 'no target; write HOST PORT, HOST:PORT or unix:/path'
    bad_usage 'bad target ""' ''
    bad_usage 'bad target "localhost": no port' localhost
    bad_usage 'a port over 65535' localhost 65536
    bad_usage 'port 0' localhost:0
    bad_usage "more than one ':'" ::1
    bad_usage 'as in a URL' http://localhost/
    bad_usage 'a unix socket has no port' unix:/path 80
    bad_usage 'c' localhost 80 c
    bad_usage '--bogus' --bogus localhost:80
    bad_usage '--timeout' localhost:80 --timeout
    bad_usage "'soon' is no length of time" --timeout soon localhost:80
    bad_usage "'-1' is no length of time" --timeout=-1 localhost:80
    bad_usage '-4 and -6 exclude each other' -4 -6 localhost:80
    bad_usage "'lo' is no IP address" --source lo localhost:80
    bad_usage '--source is for hosts' --source 127.0.0.1 unix:/path
    bad_usage '--json and --quiet' --json --quiet localhost:80
    bad_usage "'red' is none of" --color=red localhost:80
    bad_usage 'x0a' $'one\ntwo'
}

case_help() {
    run 0 --help
    some_line '^Usage: dial \[OPTIONS\] HOST \[PORT\]'
    empty "$err"
    run 0 --version
    first_line '^dial [0-9]+\.[0-9]+'
    lines 1 "$out"
}

case_not_a_terminal_no_escapes() {
    start_v4
    run 1 --timeout 150ms localhost "$silent"
    no_line "$escape"
    no_line '^connecting to'  # the final timeline only
    [ "$(count 'cannot connect')" = 1 ] || fail "the timeline is not there once"
    COLUMNS=50 run 1 --timeout 50ms localhost "$silent"
    no_line '^.{51}'
    run 0 --color=always localhost "$port"
    some_line "$escape\[32m"
}

case_terminal_redraws() {
    start_v4
    on_terminal 1 'rows 24 cols 80' --timeout 0.6 127.0.0.1 "$silent"
    some_line 'still trying'
    some_line "connecting to 127\.0\.0\.1:$silent, 0\.[1-9] s"
    some_line "$escape\[2A"  # two lines up: an attempt, and the line below it
    some_line 'no answer in time'
    some_line "$escape\[31m"
    [ "$(count '\[\?7l')" -ge 2 ] || fail "fewer than two frames"
    [ "$(count '\[\?7l')" = "$(count '\[\?7h')" ] || fail "wrapping stays off"
}

case_terminal_lower_than_the_timeline() {
    start_v4
    on_terminal 1 'rows 3 cols 80' --timeout 0.35 localhost "$silent"
    some_line "$escape\[2A"
    no_line "$escape\[([3-9]|[1-9][0-9])A"
    some_line 'cannot connect to'
    some_line '^.*\[::1\]'  # in the final timeline, which is whole
}

case_terminal_without_colour() {
    start_v4
    NO_COLOR=1 on_terminal 0 'rows 24 cols 80' 127.0.0.1 "$port"
    no_line "$escape\[[0-9]*m"
    on_terminal 0 'rows 24 cols 80' --color=never 127.0.0.1 "$port"
    no_line "$escape\[[0-9]*m"
    on_terminal 0 'rows 24 cols 80' 127.0.0.1 "$port"
    some_line "$escape\[32m"
    on_terminal 0 'rows 24 cols 80' --json 127.0.0.1 "$port"
    no_line "$escape"
    TERM=dumb on_terminal 1 'rows 24 cols 80' --timeout 0.2 127.0.0.1 "$silent"
    no_line "$escape"
}

case_ctrl_c() {
    local signal status pid
    start_v4
    for signal in INT TERM; do  # it ends by the signal, for the shell around it to know
        echo "\$ dial 127.0.0.1:$silent    (SIG$signal)"
        "$dial" "127.0.0.1:$silent" >"$out" 2>"$err" &
        pid=$! status=0
        servers+=("$pid")
        eventually 20 catches_interrupt "$pid" || fail "does not wait for a signal"
        kill "-$signal" "$pid"
        eventually 20 not_running "$pid" || fail "does not end"
        wait "$pid" || status=$?
        cat "$out" "$err"
        [ "$status" = $((128 + $(kill -l "$signal"))) ] || fail "exit code $status"
        first_line "^not connected to 127\.0\.0\.1:$silent: cancelled"
        empty "$err"
    done
}
catches_interrupt() {  # signal 2 is the second bit; 15 is installed right after it
    local mask
    [ "/proc/$1/exe" -ef "$dial" ] || return 1  # until exec, it is this shell, which catches them as well
    mask=$(sed -n 's/^SigCgt:[[:space:]]*//p' "/proc/$1/status") || return 1
    [ -n "$mask" ] && (((16#$mask & 16#4002) == 16#4002))
}

case_ctrl_c_on_a_terminal() {
    start_v4
    keys=$'\003'
    on_terminal 130 'rows 24 cols 80' 127.0.0.1 "$silent"
    some_line "not connected to 127\.0\.0\.1:$silent: cancelled"
    some_line "127\.0\.0\.1:$silent .*mcancelled"
}

# start_dnsmasq OPTION...: answers for names under test on 127.0.0.1; sets dns.
start_dnsmasq() {
    PATH=$PATH:/usr/sbin:/sbin
    need dnsmasq dnsmasq-base
    local try log pid
    for try in {1..20}; do
        dns=127.0.0.1:$((10000 + RANDOM % 20000))
        log=$tmp/dnsmasq.$try
        dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts --no-daemon --log-facility=- \
            --listen-address=127.0.0.1 --bind-interfaces --port="${dns#*:}" --local=/test/ --local-ttl=300 "$@" \
            >"$log" 2>&1 &
        pid=$!
        servers+=("$pid")
        eventually 20 said_or_gone "$pid" 'started' "$log" || fail "dnsmasq does not start: $(cat "$log")"
        if running "$pid"; then return 0; fi
        said 'in use' "$log" || fail "dnsmasq: $(cat "$log")"
    done
    fail "no port for dnsmasq"
}

case_dns() {
    if "$dial" --dns 127.0.0.1:1 --timeout 10ms h.test:1 2>&1 | grep -q 'built without c-ares'; then
        skip "dial was built without c-ares"
    fi
    start_v4
    start_dnsmasq --host-record=h.test,127.0.0.1 --srv-host=_x._tcp.test,h.test,"$port",1,5
    run 0 --dns "$dns" "h.test:$port"
    some_line "A  1 address .*\(TTL 300 s, $dns\)"
    last_line "^connected to 127\.0\.0\.1:$port in "
    run 0 --dns "$dns" srv:_x._tcp.test
    some_line "SRV  1 host .*\(TTL 300 s, $dns\)"
    some_line "1 5 $port h\.test\."
    last_line "^connected to 127\.0\.0\.1:$port in "
    run 0 --dns "$dns" --https h.test "$port"
    some_line "HTTPS  "
    run 0 --dns "$dns" --json srv:_x._tcp.test
    is_one_json_object "$out"
    some_line '"record":"SRV","name":"_x._tcp.test","records":\["1 5 '"$port"' h.test."\],"ttl_s":300,"source":"'"$dns"'"'
    run 1 --dns "$dns" "nobody.test:$port"
    first_line "^cannot connect to nobody\.test:$port: no such name"
    run 1 --dns "$dns" srv:_y._tcp.test
    first_line "^cannot connect to srv:_y\._tcp\.test: no such service"
}

# start_listening COMMAND...: in the background, PORT standing for a port that is tried, until that takes connections; sets
# listening.
start_listening() {
    local try pid
    for try in {1..20}; do
        listening=$((10000 + RANDOM % 20000))
        "${@//PORT/$listening}" >"$tmp/log.$listening" 2>&1 &
        pid=$!
        if eventually 10 listens_or_gone "$pid" && running "$pid"; then
            servers+=("$pid")
            return 0
        fi
    done
    fail "$1 does not start: $(cat "$tmp/log.$listening")"
}
listens() { PATH=$PATH:/usr/sbin:/sbin ss -Hltn "sport = :$listening" | grep -q .; }
listens_or_gone() { listens || ! running "$1"; }

case_retry() {
    start_v4
    run 0 --retry 3 127.0.0.1 "$port"
    lines 2 "$out"
    no_line backoff
    stop_echo_server
    run 1 --retry 2 127.0.0.1 "$port"
    first_line "^cannot connect to 127\.0\.0\.1:$port: connection refused"
    [ "$(count "^127\.0\.0\.1:$port ")" = 3 ] || fail "not three tries"
    [ "$(count '^backoff .* waited ')" = 2 ] || fail "not two pauses"
    some_line '^backoff .* no more tries are allowed'
    run 1 127.0.0.1 "$port"
    lines 2 "$out"
}

case_terminal_retry() {
    start_v4
    stop_echo_server
    on_terminal 1 "rows 24 cols 80" --retry 3 127.0.0.1 "$port"
    [ "$(tail -n 12 "$out" | grep -cE "127\.0\.0\.1:$port ")" -ge 4 ] || fail "not four tries at the end: $(cat "$out")"
}

case_proxy() {
    need microsocks microsocks
    start_v4
    start_listening microsocks -i 127.0.0.1 -p PORT -u user -P secret
    local proxy=127.0.0.1:$listening
    run 0 --proxy "socks5h://user:secret@$proxy" "localhost:$port"
    some_line "^proxy $proxy .* tunnel open "
    last_line "^connected to localhost:$port through $proxy in "
    HTTPS_PROXY=socks5://user:secret@$proxy run 0 --proxy env "localhost:$port"
    last_line " through $proxy in "
    NO_PROXY=localhost HTTPS_PROXY=socks5://user:secret@$proxy run 0 --proxy env "localhost:$port"
    last_line "^connected to 127\.0\.0\.1:$port in "
    run 1 --proxy "socks5h://user:wrong@$proxy" "localhost:$port"
    first_line 'the proxy does not accept the credentials; check the user and'
    ! grep -q wrong "$out" "$err" || fail "the password is shown"
    run 1 --proxy "$proxy" "localhost:$port"
    first_line "the proxy's answer is not of its protocol|the proxy closed the connection"
    run 0 --json --proxy "socks5h://user:secret@$proxy" "localhost:$port"
    is_one_json_object "$out"
    some_line '"name":"proxy",.*"target":"'"$proxy"'","note":null,"details":\{"bound":'
    bad_usage '--proxy: .*scheme' --proxy 'ftp://user:secret@h' h:1
    ! grep -q secret "$err" || fail "the password is shown"
}

# A proxy that wants credentials: Debian's squid.
case_squid() {
    PATH=$PATH:/usr/sbin:/sbin
    need squid squid
    need openssl openssl
    local helper=/usr/lib/squid/basic_ncsa_auth
    [ -x "$helper" ] || skip "no $helper"
    chmod 755 "$tmp"  # squid becomes another user
    printf 'user:%s\n' "$(openssl passwd -apr1 secret)" >"$tmp/passwords"
    chmod 644 "$tmp/passwords"
    start_v4
    start_listening start_squid PORT "$helper"
    local proxy=127.0.0.1:$listening
    run 0 --proxy "http://user:secret@$proxy" "localhost:$port"
    some_line "^proxy $proxy .* tunnel open, status 200 "
    last_line "^connected to localhost:$port through $proxy in "
    run 1 --proxy "http://$proxy" "localhost:$port"
    first_line 'the proxy wants credentials'
    run 1 --proxy "http://user:wrong@$proxy" "localhost:$port"
    first_line 'the proxy does not accept the credentials'
    stop_echo_server
    run 1 --proxy "http://user:secret@$proxy" "127.0.0.1:$port"
    first_line '(HTTP status 503)|it cannot serve now'
}
start_squid() {
    cat >"$tmp/squid.conf" <<EOF
http_port 127.0.0.1:$1
pid_filename none
cache deny all
access_log none
cache_log /dev/null
cache_store_log none
shutdown_lifetime 0 seconds
auth_param basic program $2 $tmp/passwords
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all
EOF
    exec squid -N -f "$tmp/squid.conf"
}

case_tls() {
    if "$dial" --tls h:1 2>&1 | grep -q 'built without OpenSSL'; then skip "dial was built without OpenSSL"; fi
    need openssl openssl
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
        -addext 'subjectAltName=DNS:localhost' -keyout "$tmp/key.pem" -out "$tmp/cert.pem" 2>"$tmp/openssl.log" ||
        fail "no certificate: $(cat "$tmp/openssl.log")"
    start_listening openssl s_server -accept 127.0.0.1:PORT -cert "$tmp/cert.pem" -key "$tmp/key.pem" -www -quiet -alpn h2
    export SSL_CERT_FILE=$tmp/cert.pem
    run 0 --tls "localhost:$listening"
    some_line '^tls .* done, TLSv1\.3 '
    last_line "^connected to 127\.0\.0\.1:$listening in "
    run 0 --alpn http/1.1,h2 "localhost:$listening"
    some_line '^tls .* done, TLSv1\.3, h2 '
    run 0 --json --tls "localhost:$listening"
    is_one_json_object "$out"
    some_line '"name":"tls",.*"details":\{"protocol":"TLSv1.3",.*"subject":"CN=localhost","issuer":"CN=localhost"'
    run 1 --tls "127.0.0.1:$listening"
    grep -q 'IP address mismatch' <(tr -d '\n' <"$out") || fail "no reason"
    run 0 --insecure "127.0.0.1:$listening"
    SSL_CERT_FILE=$tmp/nothing run 1 --tls "localhost:$listening"
    grep -q 'self-signed certificate' <(tr -d '\n' <"$out") || fail "no reason"
    need microsocks microsocks
    local secure=$listening
    start_listening microsocks -i 127.0.0.1 -p PORT
    run 0 --tls --proxy "socks5h://127.0.0.1:$listening" "localhost:$secure"
    some_line '^proxy .* tunnel open '
    some_line '^tls .* done'
    start_v4
    run 1 --tls --timeout 500ms "127.0.0.1:$port"
    first_line "^cannot connect to 127\.0\.0\.1:$port: "
}

case_write_error() {
    start_v4
    [ -e /dev/full ] || skip "no /dev/full"
    write_fails 'No space left on device' --json "127.0.0.1:$port" >/dev/full
    write_fails 'No space left on device' --help >/dev/full
    write_fails 'Bad file descriptor' "127.0.0.1:$port" >&-
    mkfifo "$tmp/pipe"
    exec 3<>"$tmp/pipe" 4>"$tmp/pipe" 3<&-  # a pipe that nobody reads any more
    write_fails 'Broken pipe' "127.0.0.1:$port" >&4
}
write_fails() {  # PATTERN ARGUMENT...
    local pattern=$1 status=0
    shift
    timeout 60 "$dial" "$@" 2>"$err" || status=$?
    cat "$err" >&2
    [ "$status" = 1 ] || fail "exit code $status, not 1"
    lines 1 "$err"
    said "^dial: cannot write the output: $pattern" "$err" || fail "stderr does not match: $pattern"
}

[ "$(type -t "case_$wanted")" = function ] || fail "no case '$wanted'"
"case_$wanted"
echo "passed: $wanted"
