// Under which sanitizer a test runs: gcc and clang say it in different ways.
#pragma once

#ifdef __has_feature
#define DIAL_TEST_HAS_FEATURE(feature) __has_feature(feature)
#else
#define DIAL_TEST_HAS_FEATURE(feature) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || DIAL_TEST_HAS_FEATURE(address_sanitizer)
#define DIAL_TEST_ASAN 1
#else
#define DIAL_TEST_ASAN 0
#endif

#if defined(__SANITIZE_THREAD__) || DIAL_TEST_HAS_FEATURE(thread_sanitizer)
#define DIAL_TEST_TSAN 1
#else
#define DIAL_TEST_TSAN 0
#endif

namespace dial::test {

inline constexpr bool sanitized = DIAL_TEST_ASAN || DIAL_TEST_TSAN;  // everything takes ten times as long

}  // namespace dial::test
