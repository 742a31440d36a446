// A file that is read again when it has changed.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <utility>

namespace dial::resolve {

class watched_file {
public:
    explicit watched_file(std::string path) : path_{std::move(path)} {}

    // Calls use(text) with what is in the file, unless that is the same as the last time. A file that cannot be read is
    // empty. If `use` throws, the next call tries again.
    template <class Use>
    void if_changed(Use&& use) {
        const version now = version_of(path_.c_str());
        if (valid_ && now == version_) return;
        valid_ = false;
        use(read(path_.c_str()));
        version_ = now;  // of before: a change while it was read is seen the next time
        valid_ = !may_change_unseen(now);
    }

private:
    // What tells one version of a file from the next. The times are of the last change, to the content and to anything: the
    // first can be set to any value, and what is renamed or mounted keeps it.
    struct version {
        bool there = false;
        dev_t device = 0;
        ino_t inode = 0;
        off_t size = 0;
        std::int64_t written = 0, changed = 0;  // nanoseconds
        bool operator==(const version&) const = default;
    };
    static std::string read(const char* path);
    static version version_of(const char* path);
    static bool may_change_unseen(const version& v);

    std::string path_;
    bool valid_ = false;
    version version_;
};

}  // namespace dial::resolve
