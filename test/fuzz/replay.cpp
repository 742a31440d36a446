// Runs a fuzz target on files, and on all those in directories: the corpus, or what a fuzzer has found.
//
//   $ dial_fuzz_corpus_target test/fuzz/corpus/target
//   23 inputs
#include "check.hpp"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace {

void run(const std::filesystem::path& file) {
    std::ifstream in{file, std::ios::binary};
    dial::test::check(in.good(), file.c_str());
    const std::string text{std::istreambuf_iterator<char>{in}, {}};
    const std::vector<std::uint8_t> input{
        text.begin(), text.end()};               // not a string: it would have a NUL behind its end
    std::fprintf(stderr, "%s\n", file.c_str());  // the last one is the one that failed
    LLVMFuzzerTestOneInput(input.data(), input.size());
}

}  // namespace

int main(int count, char** arguments) {
    std::size_t inputs = 0;
    for (int i = 1; i < count; ++i) {
        const std::filesystem::path path{arguments[i]};
        if (!std::filesystem::is_directory(path)) {
            run(path);
            ++inputs;
            continue;
        }
        for (const auto& entry : std::filesystem::directory_iterator{path}) {
            run(entry.path());
            ++inputs;
        }
    }
    std::printf("%zu inputs\n", inputs);
    return inputs == 0;  // a corpus that is not there would pass for one that is fine
}
