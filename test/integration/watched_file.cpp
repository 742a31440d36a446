// A file that is read again when it has changed.
#include <resolve/watched_file.hpp>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <new>
#include <optional>
#include <string>

namespace dial::test {
namespace {

// With the text as a value; nothing if the file is the same.
struct watched_file : resolve::watched_file {
    using resolve::watched_file::watched_file;
    std::optional<std::string> read_if_changed() {
        std::optional<std::string> read;
        if_changed([&](const std::string& text) { read = text; });
        return read;
    }
};

class watched_file_in_a_directory : public testing::Test {
protected:
    void SetUp() override {
        std::string name = testing::TempDir() + "watched_file.XXXXXX";
        ASSERT_TRUE(::mkdtemp(name.data()));
        directory_ = name;
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }

    std::string path(const std::string& name = "file") const { return directory_ / name; }
    void write(const std::string& text, const std::string& name = "file") const { std::ofstream{path(name)} << text; }

private:
    std::filesystem::path directory_;
};

TEST_F(watched_file_in_a_directory, is_read_the_first_time) {
    write("a\n");
    watched_file file{path()};
    EXPECT_EQ(file.read_if_changed(), "a\n");
}

TEST_F(watched_file_in_a_directory, that_is_not_there_is_empty_and_is_seen_to_come_and_go) {
    watched_file file{path()};
    EXPECT_EQ(file.read_if_changed(), "");
    EXPECT_EQ(file.read_if_changed(), std::nullopt);
    write("a\n");
    EXPECT_EQ(file.read_if_changed(), "a\n");
    std::filesystem::remove(path());
    EXPECT_EQ(file.read_if_changed(), "");
    EXPECT_EQ(file.read_if_changed(), std::nullopt);
}

TEST_F(watched_file_in_a_directory, that_cannot_be_read_is_empty) {
    watched_file directory{path("")};
    EXPECT_EQ(directory.read_if_changed(), "");
}

TEST_F(watched_file_in_a_directory, that_has_just_changed_may_change_again_unseen_and_is_read_again) {
    write("a\n");
    watched_file file{path()};
    EXPECT_EQ(file.read_if_changed(), "a\n");
    write("b\n");  // as long, and perhaps on the same tick of the clock
    EXPECT_EQ(file.read_if_changed(), "b\n");
}

TEST_F(watched_file_in_a_directory, another_file_in_its_place_is_seen) {
    write("a\n");
    watched_file file{path()};
    EXPECT_EQ(file.read_if_changed(), "a\n");
    write("b\n", "other");
    std::filesystem::rename(path("other"), path());
    EXPECT_EQ(file.read_if_changed(), "b\n");
}

TEST_F(watched_file_in_a_directory, is_read_again_when_its_text_could_not_be_used) {
    watched_file file{path()};
    EXPECT_THROW(file.if_changed([](const std::string&) { throw std::bad_alloc{}; }), std::bad_alloc);
    EXPECT_EQ(file.read_if_changed(), "");
    EXPECT_EQ(file.read_if_changed(), std::nullopt);
}

// This program has not changed for longer than any tick takes; else the case has nothing to say.
TEST(watched_file, that_has_not_changed_is_not_read_again) {
    struct stat self {};
    ASSERT_EQ(::stat("/proc/self/exe", &self), 0);
    if (std::chrono::system_clock::now() - std::chrono::system_clock::from_time_t(self.st_ctime) <
        std::chrono::seconds{5})
        GTEST_SKIP() << "this program was written just now";
    watched_file file{std::filesystem::read_symlink("/proc/self/exe")};
    const auto text = file.read_if_changed();
    ASSERT_TRUE(text);
    EXPECT_EQ(text->size(), static_cast<std::size_t>(self.st_size));
    EXPECT_EQ(file.read_if_changed(), std::nullopt);
}

}  // namespace
}  // namespace dial::test
