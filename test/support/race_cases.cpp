#include <support/case_file.hpp>
#include <support/race_cases.hpp>

#include <algorithm>
#include <limits>
#include <optional>
#include <stdexcept>

namespace dial::test {
namespace {

using race::candidate;
using race::family;
using words = std::vector<std::string>;

duration milliseconds(const std::string& text) {
    if (text == "never") return never;
    return to_duration(std::chrono::duration<long long, std::milli>{std::stoll(text)});
}

// One scenario in the making: what its lines say, until the script can be made of it.
class maker {
public:
    maker(std::string id, std::string title) {
        made_.id = std::move(id);
        made_.title = std::move(title);
        rules().spacing = duration::zero();  // the rules that most other projects lack are off where nothing is said
        rules().max_in_flight = std::numeric_limits<std::size_t>::max();
    }

    void line(const std::string& key, const words& w) {
        if (key == "attempt_delay")
            rules().attempt_delay = milliseconds(w.at(0));
        else if (key == "resolution_delay")
            rules().resolution_delay = milliseconds(w.at(0));
        else if (key == "spacing")
            rules().spacing = milliseconds(w.at(0));
        else if (key == "attempt_timeout")
            rules().attempt_timeout = milliseconds(w.at(0));
        else if (key == "timeout")
            rules().timeout = milliseconds(w.at(0));
        else if (key == "deadline")
            rules().deadline = race_begins + milliseconds(w.at(0));
        else if (key == "max_in_flight")
            rules().max_in_flight = std::stoul(w.at(0));
        else if (key == "first_family_count")
            rules().first_family_count = std::stoul(w.at(0));
        else if (key == "interleave")
            interleave_ = true;
        else if (key == "preferred_family")
            preferred_ = w.at(0) == "4" ? family::v4 : family::v6;
        else if (key == "list")
            list_ = w;
        else if (key == "a")
            lookup(family::v4, w);
        else if (key == "aaaa")
            lookup(family::v6, w);
        else if (key == "https")
            lookup({}, w);
        else if (key == "later")
            later_.push_back({milliseconds(w.at(0)), w});
        else if (key == "attempt")
            attempt(w);
        else if (key == "cancel")
            made_.script.cancel_at = milliseconds(w.at(0));
        else if (key == "expect")
            expect(w);
        else if (key == "or")
            alternative(w);
        else if (key == "starts")
            starts(w);
        else if (key == "order")
            for (const std::string& a : w) made_.order.push_back(index_of(a));
        else if (key == "counts")
            for (std::size_t i = 0; i < w.size(); i += 2) made_.counts[w[i]] = std::stoul(w.at(i + 1));
        else if (key == "no_timer_left")
            made_.no_timer_left = true;
        else if (key == "skip")
            made_.skip = join(w);
        else
            throw std::runtime_error{"no such word: " + key};
    }

    race_case finished() {
        if (!list_.empty()) made_.script.news.push_back({duration::zero(), {}, in_order(list_)});
        std::ranges::stable_sort(later_, {}, &change::at);
        words known;
        for (const change& c : later_) {
            if (c.what.at(1) == "withdraw") {
                std::erase_if(known, [&](const std::string& a) { return std::ranges::count(c.what, a) != 0; });
            } else {
                for (auto a = c.what.begin() + 2; a < c.what.end(); ++a)
                    if (!std::ranges::count(known, *a)) known.push_back(*a);
            }
            made_.script.news.push_back({c.at, c.answered, in_order(known), c.service_answered});
        }
        return std::move(made_);
    }

private:
    struct change {
        duration at;
        words what;  // what[1] is "add" or "withdraw", addresses follow
        std::optional<family> answered = {};
        bool service_answered = false;
    };

    race::rules& rules() { return made_.script.rules; }

    static std::string join(const words& w) {
        std::string all;
        for (const std::string& one : w) all += (all.empty() ? "" : " ") + one;
        return all;
    }

    static family family_of(const std::string& address) {
        return address.find(':') == address.npos ? family::v4 : family::v6;
    }

    std::size_t index_of(const std::string& address) {
        const auto found = std::ranges::find(made_.addresses, address);
        if (found == made_.addresses.end()) {
            made_.addresses.push_back(address);
            made_.script.outcomes.push_back({});
            return made_.addresses.size() - 1;
        }
        return static_cast<std::size_t>(found - made_.addresses.begin());
    }

    // Destination order is the resolver's work. Here: what was looked up, IPv6 first; a list, as it stands, or with the
    // preferred family first. A list that is to be tried in the order given is made one of a single family.
    std::vector<candidate> in_order(const words& addresses) {
        const bool as_given = !list_.empty() && !interleave_;
        std::vector<candidate> all;
        for (const std::string& a : addresses) all.push_back({index_of(a), as_given ? family::v4 : family_of(a)});
        const std::optional<family> first = list_.empty() ? family::v6 : preferred_;
        if (first) std::stable_partition(all.begin(), all.end(), [&](const candidate& c) { return c.of == *first; });
        return all;
    }

    // Without a family: for HTTPS records, with what they hint at.
    void lookup(std::optional<family> f, const words& w) {
        if (f)
            made_.script.asked.push_back(*f);
        else
            made_.script.service_asked = true;
        if (w.at(0) == "never") return;
        words added{w.at(0), "add"};
        if (w.at(1) != "empty" && w.at(1) != "error") added.insert(added.end(), w.begin() + 1, w.end());
        later_.push_back({milliseconds(w.at(0)), added, f, !f});
    }

    void attempt(const words& w) {
        race_outcome& o = made_.script.outcomes.at(index_of(w.at(0)));
        if (w.at(1) == "hang") return;
        o.is = w[1] == "success" ? race_outcome::what::connected : race_outcome::what::failed;
        o.after = milliseconds(w.at(2));
    }

    static std::string result(const words& w) {
        if (w.at(0) == "winner") return "winner " + w.at(1);
        return w[0] == "resolve_failed" ? "no_addresses" : w[0];  // the operation tells these two apart
    }

    void expect(const words& w) {
        made_.expected.result = result(w);
        made_.ends_at = milliseconds(w.back());
    }

    void alternative(const words& w) {
        race_answer a;
        w.at(0) == "started" ? void(a.started = std::stoul(w.at(1))) : void(a.result = result(w));
        made_.also_right.push_back(a);
    }

    void starts(const words& w) {
        made_.starts.emplace();
        for (const std::string& s : w) {
            const auto at = s.find('@');
            made_.starts->push_back({index_of(s.substr(0, at)), milliseconds(s.substr(at + 1))});
        }
    }

    race_case made_;
    words list_;
    bool interleave_ = false;
    std::optional<family> preferred_;
    std::vector<change> later_;
};

}  // namespace

std::vector<race_case> read_race_cases(const std::string& path) {
    std::vector<race_case> all;
    std::optional<maker> current;
    const auto close_current = [&] {
        if (current) all.push_back(current->finished());
        current.reset();
    };
    read_case_file(
        path,
        [&](const std::string& id, const std::string& title) {
            close_current();
            current.emplace(id, title);
        },
        [&](const std::string& key, const words& w) { current->line(key, w); });
    close_current();
    return all;
}

}  // namespace dial::test
