# Functions that the scripts share; sourced by bash.

PATH=$PATH:/usr/sbin:/sbin  # where ip and nginx live, for users other than root

say() { printf '==> %s\n' "$*"; }

fail() {
    printf '==> FAILED: %s\n' "$*" >&2
    exit 1
}

installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

as_root() { if [ "$(id -u)" = 0 ]; then env "$@"; else sudo -n env "$@"; fi; }

sanitizer_compiler=clang++-19  # builds with sanitizers in half of the time that g++ takes

boost_is_there() {  # 1.81 or newer, in the usual places or where the user says
    [ -z "${BOOST_ROOT:-}${Boost_ROOT:-}${Boost_DIR:-}${CMAKE_PREFIX_PATH:-}" ] || return 0
    local file version
    for file in /usr/local/include/boost/version.hpp /usr/include/boost/version.hpp; do
        [ -r "$file" ] || continue
        version=$(sed -n 's/^#define BOOST_VERSION \([0-9]*\).*/\1/p' "$file")
        [ "${version:-0}" -lt 108100 ] || return 0
    done
    return 1
}

context_is_there() {
    [ -z "${BOOST_ROOT:-}${Boost_ROOT:-}${Boost_DIR:-}${CMAKE_PREFIX_PATH:-}" ] || return 0
    local file
    for file in /usr/local/lib/libboost_context.* /usr/lib/*/libboost_context.a; do
        [ ! -e "$file" ] || return 0
    done
    return 1
}

# Installs what building needs, and with the argument `tests` what the tests need as well, with `fuzz` what fuzzing needs, with
# `sanitizers` the compiler that is preferred for them, where there is one; nothing if all is there.
install_what_is_missing() {
    local wanted=" $* " missing=() services=() boost='' context='' sanitizers=''
    command -v g++ >/dev/null || missing+=(g++)
    command -v cmake >/dev/null || missing+=(cmake)
    command -v ninja >/dev/null || missing+=(ninja-build)
    boost_is_there || boost=yes
    if [[ $wanted = *" tests "* ]]; then
        context_is_there || context=yes
        installed libgtest-dev || missing+=(libgtest-dev)
        installed libgmock-dev || missing+=(libgmock-dev)
        installed libcli11-dev || missing+=(libcli11-dev)
        installed libc-ares-dev || missing+=(libc-ares-dev)
        installed libspdlog-dev || missing+=(libspdlog-dev)
        installed dnsmasq-base || missing+=(dnsmasq-base)  # the program alone; the package dnsmasq is a service
        command -v ip >/dev/null || missing+=(iproute2)
        command -v redis-server >/dev/null || services+=(redis-server)
        command -v nginx >/dev/null || services+=(nginx-light)
        command -v microsocks >/dev/null || services+=(microsocks)
        command -v tinyproxy >/dev/null || services+=(tinyproxy)
        command -v squid >/dev/null || services+=(squid)
        command -v openssl >/dev/null || missing+=(openssl)
        installed libssl-dev || missing+=(libssl-dev)
    fi
    if [[ $wanted = *" sanitizers "* ]] && ! command -v "$sanitizer_compiler" >/dev/null; then sanitizers=yes; fi
    if [[ $wanted = *" fuzz "* ]]; then
        command -v clang++ >/dev/null || missing+=(clang)
        installed libclang-rt-dev || missing+=(libclang-rt-dev)
    fi
    if [ "${#missing[@]}" = 0 ] && [ "${#services[@]}" = 0 ] && [ -z "$boost$context$sanitizers" ]; then return 0; fi

    if [ -n "$sanitizers" ] && [ "${#missing[@]}${#services[@]}$boost$context" = 00 ]; then  # then g++ does it
        { command -v apt-get && as_root true; } >/dev/null 2>&1 || return 0
    fi
    command -v apt-get >/dev/null || fail "no apt-get here; please install: ${missing[*]} ${services[*]}" \
        "${boost:+Boost 1.81 or newer} ${context:+Boost.Context}"
    local may_install=yes
    as_root true 2>/dev/null || may_install=''
    if [ -n "$may_install" ]; then
        say "asking apt for its package lists (seconds)"
        apt_get update -qq
    fi

    # Debian 12 has two versions of Boost side by side, and the one with the plain name is too old.
    local version=''
    if installed libboost1.81-dev || { [ -n "$boost" ] && apt-cache show libboost1.81-dev >/dev/null 2>&1; }; then
        version=1.81
    fi
    [ -z "$boost" ] || missing+=("libboost$version-dev")
    [ -z "$context" ] || missing+=("libboost-context$version-dev")
    if [ -n "$sanitizers" ] && apt-cache show clang-19 >/dev/null 2>&1; then missing+=(clang-19 libclang-rt-19-dev); fi
    local packages=("${missing[@]}" "${services[@]}")
    if [ "${#packages[@]}" = 0 ]; then return 0; fi
    [ -n "$may_install" ] || fail "sudo would ask for a password; please run as root: apt-get install ${packages[*]}"

    say "installing ${packages[*]} (a minute or two)"
    without_starting_services apt_get install -qq -y --no-install-recommends --no-remove "${packages[@]}"
    if [ "${#services[@]}" != 0 ] && [ -d /run/systemd/system ]; then  # nor at the next start of the machine
        local service
        for service in "${services[@]}"; do as_root systemctl --quiet disable "${service%-light}" || true; done
    fi
}

apt_get() {
    as_root DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
        apt-get -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" </dev/null >"$apt_log" 2>&1 || {
        cat "$apt_log" >&2
        fail "apt-get $1; its output is above"
    }
}

# Runs a command while packages may not start their services. A policy that is already there is left alone.
without_starting_services() (
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'as_root rm -f "$policy"' EXIT
        trap 'exit 1' HUP INT TERM
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
    fi
    "$@"
)

# Configures a preset; starts afresh where the build directory belongs to another compiler than CXX.
configure_preset() {
    local preset=$1 cache=build/$1/CMakeCache.txt fresh=()
    shift
    if [ -n "${CXX:-}" ] && [ -e "$cache" ]; then
        local now before
        now=$(command -v "$CXX" || true)
        before=$(sed -n 's/^CMAKE_CXX_COMPILER:[A-Z]*=//p' "$cache")
        [ "$now" = "$before" ] || fresh=(--fresh)
    fi
    cmake --preset "$preset" "${fresh[@]}" "$@" --log-level=WARNING
}

# Sets `runner` to what programs built with the thread sanitizer have to be started with: on kernels that randomise
# addresses with more bits than it knows, they die at once, at random, unless that is turned off for them.
find_tsan_runner() {
    local dir program
    dir=$(mktemp -d)
    program=$dir/hello
    printf '#include <thread>\nint main() { std::thread([] {}).join(); }\n' >"$program.cpp"
    "${CXX:-g++}" -fsanitize=thread -pthread "$program.cpp" -o "$program" || fail "no thread sanitizer in ${CXX:-g++}"
    runner=()
    if ! runs_20_times "$program"; then
        runner=(setarch "$(uname -m)" -R)
        if ! runs_20_times "${runner[@]}" "$program"; then
            rm -rf "$dir"
            fail "the thread sanitizer cannot run here; as root: sysctl vm.mmap_rnd_bits=28"
        fi
        say "running without address randomisation, which the thread sanitizer cannot bear here"
    fi
    rm -rf "$dir"
}

runs_20_times() {
    local _
    for _ in {1..20}; do "$@" >/dev/null 2>&1 || return 1; done
}

apt_log=$(mktemp)
trap 'rm -f "$apt_log"' EXIT
