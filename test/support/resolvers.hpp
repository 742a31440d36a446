// Resolvers that do as a test says.
#pragma once

#include <dial/resolver.hpp>

#include <boost/asio/ip/address.hpp>

#include <cstddef>
#include <deque>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace dial::test {

inline std::vector<boost::asio::ip::address> addresses(std::initializer_list<const char*> texts) {
    std::vector<boost::asio::ip::address> list;
    for (const char* text : texts) list.push_back(boost::asio::ip::make_address(text));
    return list;
}

/// Keeps what it is asked until the test answers. Copies share that.
class manual_resolver : public resolver_base {
public:
    void start(const lookup& question, answer_handler done) override {
        const std::lock_guard lock{questions_->mutex};
        questions_->open.emplace_back(question, std::move(done));
        ++questions_->asked;
    }

    /// How many questions there were in all.
    std::size_t asked() const {
        const std::lock_guard lock{questions_->mutex};
        return questions_->asked;
    }

    /// Answers the oldest open question of the family; false if there is none.
    bool answer_next(address_family family, answer given) {
        return take(family, [&](auto& h) { h(std::move(given)); });
    }
    bool drop_next(address_family family) {
        return take(family, [](auto&) {});
    }
    /// Whether anybody waits for the answer to the oldest open question of the family.
    bool wanted(address_family family) const {
        const std::lock_guard lock{questions_->mutex};
        for (const auto& [question, done] : questions_->open)
            if (question.family() == family) return done.wanted();
        return false;
    }

private:
    struct state {
        std::mutex mutex;
        std::deque<std::pair<lookup, answer_handler>> open;
        std::size_t asked = 0;
    };

    template <class Use>
    bool take(address_family family, Use use) {
        std::unique_lock lock{questions_->mutex};
        for (auto q = questions_->open.begin(); q != questions_->open.end(); ++q) {
            if (q->first.family() != family) continue;
            answer_handler done = std::move(q->second);
            questions_->open.erase(q);
            lock.unlock();
            use(done);
            return true;
        }
        return false;
    }

    std::shared_ptr<state> questions_ = std::make_shared<state>();
};

/// Answers at once what it was told; other names have nothing. Copies share that.
class records_resolver : public resolver_base {
public:
    records_resolver& has(const std::string& name, record_type type, answer given) {
        known_->answers.emplace_back(lookup{name, type}, std::move(given));
        return *this;
    }
    /// Questions about it are never answered.
    records_resolver& hangs(const std::string& name, record_type type) {
        known_->hanging.emplace_back(name, type);
        return *this;
    }
    /// What was asked, as "AAAA name".
    const std::vector<std::string>& asked() const { return known_->asked; }

    void start(const lookup& question, answer_handler done) override { reply(question, std::move(done)); }
    void start_records(const lookup& question, answer_handler done) override { reply(question, std::move(done)); }

private:
    struct state {
        std::vector<std::pair<lookup, answer>> answers;
        std::vector<lookup> hanging;
        std::vector<answer_handler> hung;
        std::vector<std::string> asked;
    };

    static bool same(const lookup& a, const lookup& b) { return a.name() == b.name() && a.type() == b.type(); }

    void reply(const lookup& question, answer_handler done) {
        known_->asked.push_back(std::string{to_string(question.type())} + ' ' + question.name());
        for (const lookup& each : known_->hanging)
            if (same(each, question)) return known_->hung.push_back(std::move(done));
        for (const auto& [about, given] : known_->answers)
            if (same(about, question)) return done(given);
        done(answer{boost::asio::error::host_not_found});
    }

    std::shared_ptr<state> known_ = std::make_shared<state>();
};

}  // namespace dial::test
