// The report for programs. docs/report.md lists the members: they stay.
#include <report/text.hpp>
#include <report/timeline.hpp>

#include <dial/report.hpp>

#include <string>
#include <string_view>
#include <utility>

namespace dial::reporting {
namespace {

// Writes JSON (RFC 8259), with a comma where one is due.
class writer {
public:
    std::string take() { return std::move(text_); }

    writer& key(std::string_view name) {
        begin_value();
        quote(name);
        text_ += ':';
        first_ = true;
        return *this;
    }
    void open(char bracket) {
        begin_value();
        text_ += bracket;
        first_ = true;
    }
    void close(char bracket) {
        text_ += bracket;
        first_ = false;
    }
    void null() { raw("null"); }
    void boolean(bool value) { raw(value ? "true" : "false"); }
    void number(int value) { raw(std::to_string(value)); }
    void string(std::string_view value) {
        begin_value();
        quote(value);
    }
    void string_or_null(std::string_view value) { value.empty() ? null() : string(value); }

    // In milliseconds, with three decimals at most.
    void milliseconds(duration value) {
        const auto micros = value.count() / 1000 + (value.count() % 1000 >= 500 ? 1 : 0);
        std::string text = std::to_string(micros / 1000);
        if (const auto part = micros % 1000; part != 0) {
            text += '.' + std::to_string(1000 + part).substr(1);
            text.erase(text.find_last_not_of('0') + 1);
        }
        raw(text);
    }

private:
    void begin_value() {
        if (!first_) text_ += ',';
        first_ = false;
    }

    void raw(std::string_view value) {
        begin_value();
        text_ += value;
    }

    void quote(std::string_view value) {
        text_ += '"';
        while (!value.empty()) {
            const code_point c = first_code_point(value);
            if (c.value == '"' || c.value == '\\')
                (text_ += '\\') += static_cast<char>(c.value);
            else if (c.value < 0x20 || c.value == 0x7F)
                escape(static_cast<unsigned char>(c.value));
            else
                text_ += c.valid ? value.substr(0, c.size) : replacement;
            value.remove_prefix(c.size);
        }
        text_ += '"';
    }

    void escape(unsigned char c) {
        constexpr std::string_view digits = "0123456789abcdef";
        text_ += "\\u00";
        text_ += digits[c >> 4];
        text_ += digits[c & 15];
    }

    std::string text_;
    bool first_ = true;
};

void write_error(writer& to, const error_code& error) {
    to.key("error").string_or_null(error ? error.message() : "");
    to.key("error_code");
    if (!error) return to.null();
    to.open('{');
    to.key("category").string(error.category().name());
    to.key("value").number(error.value());
    to.close('}');
}

// What phases, lookups and attempts have alike.
template <class Entry>
void write_course(writer& to, const Entry& entry) {
    to.key("started_ms");
    entry.how == outcome::not_started ? to.null() : to.milliseconds(entry.started);
    to.key("ended_ms");
    entry.how == outcome::pending || entry.how == outcome::not_started ? to.null() : to.milliseconds(entry.ended);
    to.key("outcome").string(dial::to_string(entry.how));
    write_error(to, entry.error);
}

std::string local_text(const report::attempt& a) {
    return a.local == boost::asio::ip::tcp::endpoint{} ? "" : endpoint_text(a.local);
}

std::string_view family_name(address_family f) {
    switch (f) {
        case address_family::any: break;
        case address_family::v4: return "v4";
        case address_family::v6: return "v6";
    }
    return "any";
}

void write(writer& to, const report::phase& p) {
    to.key("name").string(p.name);
    write_course(to, p);
    to.key("target").string_or_null(p.target);
    to.key("note").string_or_null(p.note);
    to.key("details").open('{');
    for (const phase_detail& each : p.details) to.key(each.name).string(each.value);
    to.close('}');
}

void write(writer& to, const report::lookup& l) {
    const bool port = !l.record && l.family == address_family::any;
    to.key("family").string(port ? "service" : family_name(l.family));
    write_course(to, l);
    to.key("addresses").open('[');
    for (const auto& address : l.addresses) to.string(address.to_string());
    to.close(']');
    to.key("record").string_or_null(l.record ? to_string(*l.record) : "");
    to.key("name").string_or_null(l.name);
    to.key("records").open('[');
    for (const std::string& text : record_texts(l)) to.string(text);
    to.close(']');
    to.key("ttl_s");
    l.ttl ? to.number(static_cast<int>(std::min<duration::rep>(*l.ttl / std::chrono::seconds{1}, 0x7fffffff)))
          : to.null();
    to.key("source").string_or_null(l.source);
}

void write(writer& to, const report::attempt& a) {
    to.key("peer").string(peer_text(a));
    to.key("local").string_or_null(local_text(a));
    write_course(to, a);
    to.key("note").string_or_null(a.note);
}

template <class Entries>
void write_all(writer& to, std::string_view name, const Entries& entries) {
    to.key(name).open('[');
    for (const auto& entry : entries) {
        to.open('{');
        write(to, entry);
        to.close('}');
    }
    to.close(']');
}

}  // namespace
}  // namespace dial::reporting

namespace dial {

std::string report::to_json() const {
    using namespace reporting;
    writer to;
    const attempt* const won = winner();
    to.open('{');
    to.key("ok").boolean(ok());
    to.key("target").string(target_);
    to.key("peer").string_or_null(won ? peer_text(*won) : "");
    to.key("local").string_or_null(won ? local_text(*won) : "");
    to.key("elapsed_ms").milliseconds(latest(*this));
    write_error(to, error_);
    write_all(to, "phases", phases_);
    write_all(to, "lookups", lookups_);
    write_all(to, "attempts", attempts_);
    to.close('}');
    return to.take();
}

}  // namespace dial
