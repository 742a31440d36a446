#include <support/case_file.hpp>
#include <support/pool_cases.hpp>

#include <stdexcept>

namespace dial::test {
namespace {

using words = std::vector<std::string>;

duration milliseconds(const std::string& text) {
    return std::chrono::milliseconds{std::stoll(text)};
}

// Words that follow each other in pairs: "timeout 5 idle 1".
std::string after(const words& w, const std::string& key) {
    for (std::size_t i = 0; i + 1 < w.size(); ++i)
        if (w[i] == key) return w[i + 1];
    return {};
}

bool has(const words& w, const std::string& word) {
    for (const std::string& one : w)
        if (one == word) return true;
    return false;
}

// T acquire a, T return a discard, T reset
pool_case::move read_move(const words& w) {
    using kind = pool_case::move::kind;
    pool_case::move m{milliseconds(w.at(0)), kind::close};
    const std::string& what = w.at(1);
    if (what == "acquire" || what == "cancel" || what == "return") {
        m.what = what == "acquire" ? kind::acquire : what == "cancel" ? kind::cancel : kind::give_back;
        m.who = w.at(2);
        if (const std::string limit = after(w, "timeout"); !limit.empty()) m.timeout = milliseconds(limit);
        m.cancelled = has(w, "cancelled");
        m.discard = has(w, "discard");
    } else if (what == "peer_closes") {
        m.what = kind::peer_closes;
        m.connection = std::stoul(w.at(2));
    } else if (what == "reset") {
        m.what = kind::reset;
    } else if (what != "close") {
        throw std::runtime_error{"no such move: " + what};
    }
    return m;
}

// a lent 1 at 10, a timeout at 20 idle 1
pool_answer read_answer(const words& w) {
    pool_answer a;
    a.result = w.at(1);
    if (const std::string lent = after(w, "lent"); !lent.empty() && lent != "new") a.connection = std::stoul(lent);
    if (const std::string at = after(w, "at"); !at.empty()) a.at = milliseconds(at);
    if (const std::string idle = after(w, "idle"); !idle.empty()) a.idle.push_back(std::stoul(idle));
    return a;
}

void read_line(pool_case& to, const std::string& key, const words& w) {
    if (key == "max_per_target")
        to.rules.max_per_target = std::stoul(w.at(0));
    else if (key == "max_idle")
        to.rules.max_idle = std::stoul(w.at(0));
    else if (key == "max_waiting")
        to.rules.max_waiting = std::stoul(w.at(0));
    else if (key == "idle_timeout")
        to.rules.idle_timeout = milliseconds(w.at(0));
    else if (key == "max_lifetime")
        to.rules.max_lifetime = milliseconds(w.at(0));
    else if (key == "unwatched")
        to.rules.inspect = true;
    else if (key == "connect_time")
        to.connect_time = milliseconds(w.at(0));
    else if (key == "connect")
        to.connects.push_back({w.at(0) == "success", w.size() > 1 ? std::optional{milliseconds(w[1])} : std::nullopt});
    else if (key == "at")
        to.moves.push_back(read_move(w));
    else if (key == "expect")
        to.expected[w.at(0)] = read_answer(w);
    else if (key == "or")
        to.also_right[w.at(0)].push_back(read_answer(w));
    else if (key == "starts")
        for (to.starts.emplace(); const std::string& at : w) to.starts->push_back(milliseconds(at));
    else if (key == "closed")
        to.closed[std::stoul(w.at(0))] = {w.at(1), milliseconds(w.at(3))};
    else if (key == "idle")
        for (const std::string& one : w) to.idle.push_back(std::stoul(one));
    else if (key == "peak")
        to.peak = std::stoul(w.at(0));
    else if (key == "close_done")
        to.close_done = milliseconds(w.at(0));
    else
        throw std::runtime_error{"no such word: " + key};
}

}  // namespace

std::vector<pool_case> read_pool_cases(const std::string& path) {
    std::vector<pool_case> all;
    read_case_file(
        path,
        [&](const std::string& id, const std::string& title) {
            all.emplace_back();
            all.back().id = id;
            all.back().title = title;
        },
        [&](const std::string& key, const words& w) { read_line(all.back(), key, w); });
    return all;
}

}  // namespace dial::test
