#include <dial/detail/failover_operation.hpp>

#include <chance.hpp>
#include <race/most_telling.hpp>

namespace dial::detail {

failing_over::engine begin_failover(
    const failover_options& options, std::size_t targets, std::pmr::memory_resource* memory) {
    if (options.order() != failover_order::random) return {options, targets, {}, memory};
    std::pmr::vector<double> random(targets, memory);
    for (double& each : random) each = chance();
    return {options, targets, random, memory};
}

error_code most_telling_of(const std::vector<error_code>& errors) {
    return race::most_telling(errors);
}

}  // namespace dial::detail
