// The timeline: a line for the lookups, a line with a bar for each attempt, and what it came to.
#include <report/timeline.hpp>

#include <report/remedy.hpp>
#include <report/text.hpp>

#include <dial/report.hpp>

#include <boost/asio/error.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dial::reporting {
namespace {

constexpr std::size_t narrowest = 20, shortest_bar = 8, longest_bar = 60;
constexpr std::size_t longest_cause = 32;  // longer ones go below the line
constexpr std::size_t records_in_full = 4;
constexpr std::size_t not_started_in_full = 8;  // more of them are summed up

std::string spaces(std::size_t count) {
    return std::string(count, ' ');
}

std::string padded(std::string_view text, std::size_t width) {
    return std::string{text} + spaces(width - std::min(width, columns(text)));
}

std::string right_aligned(std::string_view text, std::size_t width) {
    return spaces(width - std::min(width, columns(text))) + std::string{text};
}

// --- Lines, in colours and no longer than they may be ---

enum class style : unsigned char { plain, good, bad, faint };

const char* escape(style s) {
    switch (s) {
        case style::plain: break;
        case style::good: return "\x1B[32m";
        case style::bad: return "\x1B[31m";
        case style::faint: return "\x1B[2m";
    }
    return "";
}

struct piece {
    std::string text;
    style look = style::plain;
};

class page {
public:
    page(std::size_t width, bool colour) : width_{std::max(width, narrowest)}, colour_{colour} {}

    std::size_t width() const { return width_; }
    std::string take() { return std::move(text_); }

    void add(std::vector<piece> line) {
        while (!line.empty()) {  // no spaces at the end
            std::string& text = line.back().text;
            text.erase(text.find_last_not_of(' ') + 1);
            if (!text.empty()) break;
            line.pop_back();
        }
        for (const piece& p : line) put(p.text, p.look);
        text_ += '\n';
    }

    // `head`, then `text` in as many lines as it takes, one below the other. `head` is shorter than any width.
    void add_wrapped(const std::string& head, std::string_view text, style look) {
        const std::size_t indent = columns(head), room = width_ - indent;
        if (columns(text) <= room) return add({{head}, {std::string{text}, look}});
        bool first = true;
        for (std::string& line : wrap(text, room, room)) {
            add({{first ? head : spaces(indent)}, {std::move(line), look}});
            first = false;
        }
    }

private:
    void put(const std::string& text, style look) {
        const bool coloured = colour_ && look != style::plain && text.find_first_not_of(' ') != text.npos;
        text_ += coloured ? escape(look) + text + "\x1B[0m" : text;
    }

    std::size_t width_;
    bool colour_;
    std::string text_;
};

// The first line begins at the margin, the others are indented.
void add_sentence(page& to, std::string_view text, style look) {
    bool first = true;
    for (std::string& line : wrap(text, to.width(), to.width() - 2)) {
        to.add({{first ? "" : "  "}, {std::move(line), look}});
        first = false;
    }
}

// --- The lookups ---

std::string_view kind_text(const report::lookup& l) {
    if (l.record) return to_string(*l.record);
    switch (l.family) {
        case address_family::any: break;
        case address_family::v4: return "A";
        case address_family::v6: return "AAAA";
    }
    return "service";
}

std::string failure_text(const error_code& error) {
    namespace netdb = boost::asio::error;
    if (error == netdb::no_data || error == dial::error::no_addresses) return "no addresses";
    if (error == netdb::host_not_found || error == netdb::service_not_found) return explain(error).cause;
    return "failed: " + (error ? explain(error).cause : "no reason given");
}

std::string counted(std::size_t count, std::string_view one, std::string_view many) {
    if (count == 0) return "no " + std::string{many};
    return std::to_string(count) + ' ' + std::string{count == 1 ? one : many};
}

std::string lookup_text(const report::lookup& l) {
    switch (l.how) {
        case outcome::pending: return "still out";
        case outcome::done:
        case outcome::deferred:
            if (l.record == record_type::srv) return counted(l.services.size(), "host", "hosts");
            if (l.record == record_type::svcb || l.record == record_type::https)
                return counted(l.bindings.size(), "record", "records");
            if (l.family == address_family::any && l.addresses.empty()) return "found";
            return counted(l.addresses.size(), "address", "addresses");
        case outcome::failed: return failure_text(l.error);
        case outcome::timed_out: return "no answer in time";
        case outcome::another_won: return "no longer needed";
        case outcome::cancelled: return "cancelled";
        case outcome::not_started: return "not asked";
    }
    return "";
}

style lookup_style(const report::lookup& l) {
    if (l.how == outcome::failed || l.how == outcome::timed_out) return style::bad;
    if (l.how == outcome::another_won || l.how == outcome::cancelled) return style::faint;
    return style::plain;
}

// Of one host alone, everybody knows which.
bool has_several_names(const report& story) {
    const auto& all = story.lookups();
    const auto asked = [](const report::lookup& l) { return l.record && l.family != address_family::any; };
    const auto first = std::ranges::find_if(all, asked);
    return first != all.end() &&
        std::ranges::any_of(all, [&](const report::lookup& l) { return asked(l) && l.name != first->name; });
}

// Who said so, and for how long, where that is known.
std::string origin_text(const report::lookup& l) {
    std::string text;
    if (l.ttl) text = "TTL " + std::to_string(*l.ttl / std::chrono::seconds{1}) + " s";
    if (!l.source.empty()) text += (text.empty() ? "" : ", ") + l.source;
    return text.empty() ? text : " (" + text + ")";
}

// What a service said of itself, below the lookups.
void add_records(page& to, const report& story) {
    std::vector<std::string> texts;
    for (const report::lookup& l : story.lookups())
        for (std::string& each : record_texts(l)) texts.push_back(std::move(each));
    const std::size_t shown = texts.size() <= records_in_full ? texts.size() : records_in_full - 1;
    for (std::size_t i = 0; i != shown; ++i) to.add_wrapped(spaces(10), printable(texts[i]), style::plain);
    if (shown != texts.size())
        to.add_wrapped(spaces(10), "and " + std::to_string(texts.size() - shown) + " more", style::faint);
}

// On one line, or on one for each where that is too long.
void add_lookups(page& to, const report& story) {
    duration last = {};
    for (const report::lookup& l : story.lookups()) last = std::max(last, l.ended);
    const bool several = has_several_names(story);
    std::vector<piece> all;
    std::size_t total = 0;
    for (const report::lookup& l : story.lookups()) {
        std::string text = (several && l.family != address_family::any ? printable(l.name) + "  " : "") +
            std::string{kind_text(l)} + "  " + printable(lookup_text(l));
        if (l.how != outcome::pending && l.how != outcome::not_started)
            text += "   " + time_text(l.ended, unit_for(last)) + printable(origin_text(l));
        total += columns(text) + (all.empty() ? 10 : 5);
        all.push_back({std::move(text), lookup_style(l)});
    }
    std::vector<piece> line{{"resolve   "}};
    for (const piece& p : all) {
        if (line.size() != 1) line.push_back({spaces(5)});
        line.push_back(p);
    }
    if (all.empty()) return;
    if (total <= to.width()) return to.add(line);
    for (const piece& p : all) to.add_wrapped(&p == &all.front() ? "resolve   " : spaces(10), p.text, p.look);
}

// --- The attempts, and what layers did ---

// A line: an attempt, or a phase that no other line tells of.
struct row {
    std::string label, start, end;
    duration started = {}, ended = {};
    outcome how = outcome::pending;
    std::string words, more;        // how it ended, and what there is to say about it
    std::string_view joint = ": ";  // between the two on one line
    style look = style::plain;

    std::string sentence() const { return more.empty() ? words : words + std::string{joint} + more; }
};

void describe_failure(row& r, const error_code& error, std::string_view note) {
    r.words = printable(error ? explain(error).cause : "failed");
    if (columns(r.words) > longest_cause) r.more = std::exchange(r.words, "failed");
    if (!note.empty()) r.more += (r.more.empty() ? "" : ": ") + printable(note);
}

void describe(row& r, const report::attempt& a, const report& story) {
    switch (a.how) {
        case outcome::pending: r.words = "still trying"; break;
        case outcome::done:
            r.words = "connected";
            r.joint = " ";
            if (a.path.empty() && !a.local.address().is_unspecified()) r.more = "from " + a.local.address().to_string();
            break;
        case outcome::deferred:
            r.words = "deferred";
            r.more = "TCP Fast Open, known with the first write";
            break;
        case outcome::failed: {
            const report::attempt* const in_headline = most_telling_note(story);
            const bool said = in_headline && is_sentence(a.note) && in_headline->note == a.note;
            describe_failure(r, a.error, said ? "" : a.note);
            break;
        }
        case outcome::timed_out: r.words = "no answer in time"; break;
        case outcome::another_won: r.words = "cancelled, another won"; break;
        case outcome::cancelled: r.words = "cancelled"; break;
        case outcome::not_started: r.words = "not started"; break;
    }
}

// What became known in a phase, in short: the values that speak for themselves.
std::string facts_of(const report::phase& p) {
    std::string text;
    for (const phase_detail& each : p.details) {
        std::string fact;
        if (each.name == "protocol" || each.name == "alpn") fact = each.value;
        if (each.name == "resumed" && each.value == "yes") fact = "resumed";
        if (each.name == "status") fact = "status " + each.value;
        if (!fact.empty()) text += (text.empty() ? "" : ", ") + printable(fact);
    }
    return text;
}

void describe(row& r, const report::phase& p, const report& story) {
    switch (p.how) {
        case outcome::done:
            r.words = p.name == "proxy" ? "tunnel open" : p.name == "backoff" || p.name == "wait" ? "waited" : "done";
            r.more = facts_of(p);
            r.joint = ", ";
            if (!p.note.empty()) r.words = printable(p.note);
            break;
        case outcome::failed: describe_failure(r, p.error, story.failed_phase() == &p ? "" : p.note); break;
        case outcome::pending: r.words = "under way"; break;
        case outcome::timed_out: r.words = p.name == "wait" ? "its turn did not come" : "no answer in time"; break;
        case outcome::deferred:
        case outcome::another_won:
        case outcome::cancelled:
        case outcome::not_started: r.words = "cancelled"; break;
    }
}

style style_of(outcome how) {
    switch (how) {
        case outcome::pending: break;
        case outcome::done:
        case outcome::deferred: return style::good;
        case outcome::failed:
        case outcome::timed_out: return style::bad;
        case outcome::another_won:
        case outcome::cancelled:
        case outcome::not_started: return style::faint;
    }
    return style::plain;
}

bool was_started(const row& r) {
    return r.how != outcome::not_started;
}

// The lookups and the attempts tell of these.
bool has_lines_of_its_own(const report::phase& p) {
    return p.name != "resolve" && p.name != "race" && p.name != "connect" && p.name != "now";
}

std::string label_of(const report::phase& p) {
    return printable(p.target.empty() ? p.name : p.name + ' ' + p.target);
}

template <class Entry>
row make_row(const Entry& entry, std::string label, const report& story) {
    row r;
    r.label = std::move(label);
    r.started = entry.started;
    r.ended = entry.ended;
    r.how = entry.how;
    r.look = style_of(entry.how);
    describe(r, entry, story);
    return r;
}

// In the order of their starts, with the times of each column in one unit; those that were not started are the last.
std::vector<row> make_rows(const report& story) {
    std::vector<row> rows;
    for (const report::attempt& a : story.attempts()) rows.push_back(make_row(a, printable(peer_text(a)), story));
    const auto rest = static_cast<std::size_t>(std::ranges::find_if_not(rows, was_started) - rows.begin());
    std::vector<row> others;
    for (const report::phase& p : story.phases())
        if (has_lines_of_its_own(p)) others.push_back(make_row(p, label_of(p), story));
    rows.insert(rows.begin() + static_cast<std::ptrdiff_t>(rest), others.begin(), others.end());
    std::ranges::stable_sort(
        rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(rest + others.size()), {}, &row::started);

    duration last_start = {}, last_end = {};
    for (const row& r : rows) {
        if (!was_started(r)) continue;
        last_start = std::max(last_start, r.started);
        if (r.how != outcome::pending) last_end = std::max(last_end, r.ended);
    }
    for (row& r : rows) {
        if (!was_started(r)) continue;
        r.start = time_text(r.started, unit_for(last_start));
        if (r.how != outcome::pending) r.end = time_text(r.ended, unit_for(last_end));
    }
    return rows;
}

// The time that all bars share: from the first start to the last end.
struct scale {
    duration first = duration::max(), last = {};

    scale(const std::vector<row>& rows, duration now) {
        for (const row& r : rows) {
            if (!was_started(r)) continue;
            first = std::min(first, r.started);
            last = std::max(last, r.how == outcome::pending ? now : r.ended);
        }
    }

    std::size_t column(duration at, std::size_t bar) const {
        if (at <= first || last <= first) return 0;
        const long double share = static_cast<long double>((at - first).count()) / (last - first).count();
        return std::min(static_cast<std::size_t>(share * static_cast<long double>(bar - 1)), bar - 1);
    }
};

std::string_view end_mark(outcome how) {
    switch (how) {
        case outcome::pending: return "╌";
        case outcome::done: return "●";
        case outcome::deferred: return "○";
        case outcome::failed: return "×";
        case outcome::timed_out: return "┄";
        case outcome::another_won:
        case outcome::cancelled:
        case outcome::not_started: break;
    }
    return "╴";
}

std::string bar_of(const row& r, const scale& time, std::size_t bar) {
    const bool pending = r.how == outcome::pending;
    const std::size_t from = time.column(r.started, bar);
    const std::size_t to = std::max(from, pending ? time.column(time.last, bar) : time.column(r.ended, bar));
    std::string text = spaces(from);
    for (std::size_t i = from; i < to; ++i) text += i == from ? "├" : pending ? "╌" : "─";
    text += end_mark(r.how);
    return text + spaces(bar - 1 - to);
}

// How wide the columns are. Where room is short the bars shrink, then what there is to say about an outcome goes below
// its line, then the bars go, then there are no columns any more.
struct layout {
    std::size_t label = 0, start = 0, bar = 0, words = 0, end = 0;
    bool below = false, stacked = false;

    layout(const std::vector<row>& rows, std::size_t width) {
        std::size_t briefly = 0;
        for (const row& r : rows) {
            label = std::max(label, columns(r.label));
            if (!was_started(r)) continue;
            start = std::max(start, columns(r.start));
            words = std::max(words, columns(r.sentence()));
            briefly = std::max(briefly, columns(r.words));
            end = std::max(end, columns(r.end));
        }
        const std::size_t others = label + 2 + start + 2 + 3 + end;  // and the spaces between the columns
        const auto fits = [&](std::size_t sentence, std::size_t bar_width) {
            return others + sentence + bar_width <= width;
        };
        below = !fits(words, shortest_bar) && (fits(briefly, shortest_bar) || !fits(words, 0));
        if (below) words = briefly;
        stacked = !fits(words, 0);
        if (fits(words, shortest_bar)) bar = std::min(width - others - words, longest_bar);
    }
};

void add_row(page& to, const row& r, const layout& wide, const scale& time) {
    std::vector<piece> line{{padded(r.label, wide.label) + "  " + right_aligned(r.start, wide.start)}};
    line.push_back({wide.bar == 0 ? "  " : " "});
    if (wide.bar != 0) line.push_back({bar_of(r, time, wide.bar) + " ", r.look});
    line.push_back({padded(wide.below ? r.words : r.sentence(), wide.words), r.look});
    line.push_back({"   " + right_aligned(r.end, wide.end)});
    to.add(std::move(line));
    if (wide.below && !r.more.empty()) to.add_wrapped("  ", r.more, r.look);
}

void add_stacked(page& to, const row& r) {
    to.add_wrapped("", r.label, style::plain);
    const std::string until = r.end.empty() ? "" : " – " + time_text(r.ended);
    to.add_wrapped("  ", time_text(r.started) + until + ": " + r.sentence(), r.look);
}

void add_rows(page& to, const report& story) {
    std::vector<row> rows = make_rows(story);
    const auto rest = std::ranges::find_if_not(rows, was_started);  // they are the last
    const auto left = static_cast<std::size_t>(rows.end() - rest);
    if (left > not_started_in_full) rows.erase(rest, rows.end());

    const layout wide{rows, to.width()};
    const scale time{rows, latest(story)};
    for (const row& r : rows) {
        if (!was_started(r))
            to.add_wrapped("", padded(r.label, wide.stacked ? 0 : wide.label) + "  " + r.words, r.look);
        else if (wide.stacked)
            add_stacked(to, r);
        else
            add_row(to, r, wide, time);
    }
    if (left > not_started_in_full)
        to.add_wrapped("", std::to_string(left) + " more addresses not started", style::faint);
}

// What a dial that succeeded came to.
std::string summary(const report& story) {
    const report::attempt* const won = story.winner();
    const bool proxied = std::ranges::any_of(
        story.phases(), [](const report::phase& p) { return p.name == "proxy" && p.how == outcome::done; });
    const std::string to = !won ? story.target()
        : proxied               ? story.target() + " through " + peer_text(*won)
                                : peer_text(*won);
    const std::string total = time_text(story.total());
    if (won && won->how == outcome::deferred)
        return "will connect to " + to + " with the first write; ready in " + total;
    return to.empty() ? "connected in " + total : "connected to " + to + " in " + total;
}

}  // namespace

std::string peer_text(const report::attempt& a) {
    return a.path.empty() ? endpoint_text(a.peer) : a.path;
}

duration latest(const report& story) {
    if (story.over()) return story.total();
    duration last = {};
    const auto look = [&](const auto& all) {
        for (const auto& entry : all) last = std::max({last, entry.started, entry.ended});
    };
    look(story.phases());
    look(story.lookups());
    look(story.attempts());
    return last;
}

}  // namespace dial::reporting

namespace dial {

std::string report::to_string(std::size_t width, bool colour) const {
    reporting::page text{width, colour};
    if (over_ && error_) reporting::add_sentence(text, reporting::headline(*this), reporting::style::bad);
    reporting::add_lookups(text, *this);
    reporting::add_records(text, *this);
    reporting::add_rows(text, *this);
    if (ok()) reporting::add_sentence(text, reporting::printable(reporting::summary(*this)), reporting::style::good);
    return text.take();
}

}  // namespace dial
