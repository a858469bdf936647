// SPDX-License-Identifier: Apache-2.0
#include "reading.hpp"
#include "zone/virtio_config.hpp"
#include "zone_text.hpp"

#include <catch2/catch_test_macros.hpp>
#include <string>

namespace read_block_config_test {

using namespace hvisor::zone;
using test::changed;
using test::read_virtio;
using test::virtio_refusal;

namespace {

constexpr std::string_view good = R"({ "zones": [ { "id": 1, "memory_region": [], "devices": [
{ "type": "blk", "addr": "0xa003c00", "len": "0x200", "irq": 78, "img": "disk.img", "status": "enable" } ] } ] })";

/// The file with more keys.
std::string with(std::string_view keys) {
    return changed(good, R"("disk.img",)", std::string(R"("disk.img", )").append(keys).append(","));
}

BlockConfig read(const std::string& text) {
    return read_virtio(text).zones.at(0).devices.at(0).block;
}

std::string refusal(std::string_view keys) {
    return virtio_refusal(with(keys));
}

} // namespace

TEST_CASE("upstream's disk is one that is written, through the page cache") {
    const auto block = read(std::string(good));
    CHECK(block.image == "disk.img");
    CHECK_FALSE(block.read_only);
    CHECK_FALSE(block.direct);
    CHECK(block.serial.empty());
    CHECK(block.queues == 1);
    CHECK(block.limit == hvisor::Throttle::Settings{});
}

TEST_CASE("our keys of a disk are read") {
    const auto block = read(with(R"("readonly": true, "direct": true, "serial": "SN-0001", "queues": 4,
        "rate_limit": { "bytes_per_second": 1000000, "requests_per_second": "200", "requests_burst": 20 })"));
    CHECK(block.read_only);
    CHECK(block.direct);
    CHECK(block.serial == "SN-0001");
    CHECK(block.queues == 4);
    CHECK(block.limit.bytes == hvisor::TokenBucket::Settings{.rate = 1000000, .burst = 0});
    CHECK(block.limit.operations == hvisor::TokenBucket::Settings{.rate = 200, .burst = 20});
}

TEST_CASE("what a disk cannot be is refused with its key") {
    CHECK(refusal(R"("readonly": "yes")").contains("readonly"));
    CHECK(refusal(R"("direct": [])").contains("direct"));
    CHECK(refusal(R"("serial": "twenty-one characters")").contains("1 to 20 characters"));
    CHECK(refusal(R"("serial": "with blank")").contains("no blanks"));
    CHECK(refusal(R"("serial": "")").contains("serial"));
    CHECK(refusal(R"("queues": 0)").contains("at least 1"));
    CHECK(refusal(R"("queues": 17)").contains("queues"));
    CHECK(refusal(R"("rate_limit": {})").contains("bytes_per_second or requests_per_second"));
    CHECK(refusal(R"("rate_limit": 7)").contains("rate_limit"));
    CHECK(refusal(R"("rate_limit": { "bytes_per_second": "2000000000000" })").contains("bytes_per_second"));
}

} // namespace read_block_config_test
