#include <dns/order.hpp>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

namespace dial::dns {
namespace {

constexpr std::size_t most_records = 64;

// Sorts by priority, and has `arrange` put those of each priority in order.
template <class Record, class Arrange>
void by_priority(std::vector<Record>& records, Arrange arrange) {
    std::ranges::stable_sort(records, {}, &Record::priority);
    if (records.size() > most_records) records.erase(records.begin() + most_records, records.end());
    for (auto begin = records.begin(); begin != records.end();) {
        const auto end =
            std::find_if(begin, records.end(), [&](const Record& r) { return r.priority != begin->priority; });
        arrange(begin, end);
        begin = end;
    }
}

using services = std::vector<service_record>::iterator;

// RFC 2782, "Weight": a number from 0 to the sum of the weights is drawn, both included, and the first record where the
// running sum reaches it comes next. With those of weight 0 in front, the first of them has its small chance.
void arrange_by_weight(services begin, services end, const random_source& random) {
    std::stable_partition(begin, end, [](const service_record& r) { return r.weight == 0; });
    std::uint32_t sum = 0;  // of at most 64 numbers of 16 bits
    for (auto r = begin; r != end; ++r) sum += r->weight;
    for (; begin != end; ++begin) {
        const std::uint32_t drawn = std::min(random(sum + 1), sum);
        std::uint32_t running = begin->weight;
        auto next = begin;
        while (running < drawn) running += (++next)->weight;
        sum -= next->weight;
        std::rotate(begin, next, std::next(next));  // the others keep their order
    }
}

bool runs_over_quic(std::string_view id) {
    return id == "h3" || id.starts_with("h3-") || id == "doq" || id.starts_with("doq-");
}

// Without no-default-alpn, the protocols of a scheme that go without saying are there too, over TCP.
bool usable(const service_binding& b) {
    return b.understood && (!b.no_default_alpn || !std::ranges::all_of(b.alpn, runs_over_quic));
}

bool is_alias(const service_binding& b) {
    return b.priority == 0;
}

}  // namespace

std::vector<service_record> srv_order(std::vector<service_record> records, const random_source& random) {
    by_priority(records, [&](services begin, services end) { arrange_by_weight(begin, end, random); });
    return records;
}

std::vector<service_binding> binding_order(std::vector<service_binding> records, const random_source& random) {
    if (std::ranges::any_of(records, is_alias)) return {};  // RFC 9460 section 2.4.1
    std::erase_if(records, [](const service_binding& b) { return !usable(b); });
    by_priority(records, [&](auto begin, auto end) {
        for (auto size = static_cast<std::uint32_t>(end - begin); size > 1; --size)
            std::swap(begin[std::min(random(size), size - 1)], begin[size - 1]);
    });
    return records;
}

const service_binding* alias_of(std::span<const service_binding> records, const random_source& random) {
    const auto count = static_cast<std::uint32_t>(std::ranges::count_if(records, is_alias));
    if (count == 0) return nullptr;
    std::uint32_t left = count == 1 ? 0 : std::min(random(count), count - 1);
    for (const service_binding& b : records)
        if (is_alias(b) && left-- == 0) return &b;
    return nullptr;
}

}  // namespace dial::dns
