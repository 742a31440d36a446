// What the user does with a stream of some type: a function behind a name that knows nothing of the type.
#pragma once

#include <dial/error.hpp>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/system/system_error.hpp>

#include <concepts>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <type_traits>
#include <typeinfo>
#include <utility>

namespace dial::detail {

namespace asio = boost::asio;

using done_handler = asio::any_completion_handler<void(error_code)>;  // what users' functions are given
using task_handler =
    asio::any_completion_handler<void(error_code, std::string)>;  // and what stands behind it, with a note

template <class Stream>
class stream_function_base {
public:
    stream_function_base() = default;
    stream_function_base(const stream_function_base&) = delete;
    stream_function_base& operator=(const stream_function_base&) = delete;
    virtual ~stream_function_base() = default;

    virtual void start(const asio::any_io_executor& executor, Stream& stream, task_handler handler) const = 0;
};

// What a function that threw has to say.
inline error_code error_of(const std::exception_ptr& thrown) {
    if (!thrown) return {};
    try {
        std::rethrow_exception(thrown);
    } catch (const boost::system::system_error& e) {
        return e.code() ? e.code() : error_code{error::prepare_failed};
    } catch (const std::bad_alloc&) {
        return boost::system::errc::make_error_code(boost::system::errc::not_enough_memory);
    } catch (...) {
        return error::prepare_failed;
    }
}

// And what it says in words, where that is not the text of an error code.
inline std::string words_of(const std::exception_ptr& thrown) {
    if (!thrown) return {};
    try {
        std::rethrow_exception(thrown);
    } catch (const boost::system::system_error&) {
        return {};
    } catch (const std::exception& e) {
        return e.what();
    } catch (...) {
        return {};
    }
}

// A function that knows nothing of notes.
struct without_note {
    task_handler behind;

    using executor_type = asio::associated_executor_t<task_handler>;
    executor_type get_executor() const noexcept { return asio::get_associated_executor(behind); }
    using cancellation_slot_type = asio::associated_cancellation_slot_t<task_handler>;
    cancellation_slot_type get_cancellation_slot() const noexcept {
        return asio::get_associated_cancellation_slot(behind);
    }

    void operator()(error_code ec) { std::move(behind)(ec, std::string{}); }
};

template <class Function, class Stream>
concept stream_initiation = std::invocable<const Function&, Stream&, done_handler>;

template <class Function, class Stream>
concept stream_coroutine = requires(const Function& f, Stream& stream) {
    { f(stream) } -> std::same_as<asio::awaitable<void>>;
};

template <class Stream, class Function>
class stream_function final : public stream_function_base<Stream>,
                              public std::enable_shared_from_this<stream_function<Stream, Function>> {
public:
    explicit stream_function(Function function) : function_{std::move(function)} {}

    void start(const asio::any_io_executor& executor, Stream& stream, task_handler handler) const override {
        if constexpr (stream_coroutine<Function, Stream>) {
            // A coroutine lambda's captures are those of the lambda: it has to live until the coroutine is over.
            const auto slot = asio::get_associated_cancellation_slot(handler);
            asio::co_spawn(executor, function_(stream),
                asio::bind_cancellation_slot(slot,
                    [alive = this->shared_from_this(), done = std::move(handler)](
                        const std::exception_ptr& thrown) mutable {
                        std::move(done)(error_of(thrown), words_of(thrown));
                    }));
        } else {
            function_(stream, done_handler{without_note{std::move(handler)}});
        }
    }

private:
    const Function function_;
};

// The type of the stream, where a function takes only one: that of its first parameter.
template <class Function>
struct first_parameter {};
template <class Function>
    requires requires {
        &Function::operator();
    }
struct first_parameter<Function> : first_parameter<decltype(&Function::operator())> {};
template <class Result, class First, class... Rest>
struct first_parameter<Result (*)(First, Rest...)> : std::remove_cvref<First> {};
template <class Result, class Class, class First, class... Rest>
struct first_parameter<Result (Class::*)(First, Rest...)> : std::remove_cvref<First> {};
template <class Result, class Class, class First, class... Rest>
struct first_parameter<Result (Class::*)(First, Rest...) const> : std::remove_cvref<First> {};

struct not_told {};

// Holds a function for streams of one type; asked for another, it has none.
class any_stream_function {
public:
    any_stream_function() = default;

    template <class Stream, class Function>
    static any_stream_function make(Function function) {
        static_assert(stream_initiation<Function, Stream> || stream_coroutine<Function, Stream>,
            "the function is neither f(Stream&, handler), an initiating function that calls handler(error_code), nor "
            "f(Stream&) that returns boost::asio::awaitable<void>");
        any_stream_function made;
        made.type_ = &typeid(Stream);
        made.function_ = std::shared_ptr<const stream_function_base<Stream>>{
            std::make_shared<stream_function<Stream, Function>>(std::move(function))};
        return made;
    }

    explicit operator bool() const noexcept { return type_ != nullptr; }
    template <class Stream>
    bool takes() const {
        return type_ && *type_ == typeid(Stream);
    }
    template <class Stream>
    std::shared_ptr<const stream_function_base<Stream>> of() const {
        return takes<Stream>() ? std::static_pointer_cast<const stream_function_base<Stream>>(function_) : nullptr;
    }

private:
    const std::type_info* type_ = nullptr;
    std::shared_ptr<const void> function_;
};

}  // namespace dial::detail
