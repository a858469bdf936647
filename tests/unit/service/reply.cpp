// SPDX-License-Identifier: Apache-2.0
#include "service/reply.hpp"

#include <catch2/catch_test_macros.hpp>

#include <functional>

namespace reply_test {

using namespace hvisor::service;

TEST_CASE("an object stays while one of its calls is open, and is told of once the last one is answered") {
    int told = 0;
    const std::function<void()> may_go = [&] { ++told; };
    OpenCalls calls(may_go);
    CHECK(!calls.must_stay());

    auto first = calls.open();
    auto second = calls.open();
    CHECK(calls.must_stay());
    first.reset();
    CHECK(calls.must_stay());
    CHECK(told == 0);
    second.reset();
    CHECK(told == 1);
    CHECK(!calls.must_stay());
}

TEST_CASE("nobody is told of an object that was not to go") {
    int told = 0;
    const std::function<void()> may_go = [&] { ++told; };
    OpenCalls calls(may_go);
    for (int i = 0; i < 2; ++i) {
        auto call = calls.open();
        call.reset();
    }
    CHECK(told == 0);
}

TEST_CASE("calls may outlive their object") {
    int told = 0;
    const std::function<void()> may_go = [&] { ++told; };
    OpenCalls::Token call;
    {
        OpenCalls calls(may_go);
        call = calls.open();
        CHECK(calls.must_stay());
    }
    call.reset();
    CHECK(told == 1);
}

TEST_CASE("a connection stays for the calls of its objects, also of those that have gone") {
    int told = 0;
    const std::function<void()> may_go = [&] { ++told; };
    OpenCalls connection(may_go);
    OpenCalls::Token call;
    {
        OpenCalls object(connection);
        call = object.open();
    }
    CHECK(connection.must_stay());
    auto own = connection.open();
    call.reset();
    CHECK(connection.must_stay());
    CHECK(told == 0);
    own.reset();
    CHECK_FALSE(connection.must_stay());
    CHECK(told == 1);
}

} // namespace reply_test
