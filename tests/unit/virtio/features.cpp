// SPDX-License-Identifier: Apache-2.0
#include "virtio/features.hpp"

#include <catch2/catch_test_macros.hpp>
#include <type_traits>

using namespace hvisor::virtio;

// D9: a bit number offered as a mask offers other bits. Here it does not compile.
static_assert(!std::is_convertible_v<int, FeatureSet>);
static_assert(!std::is_convertible_v<FeatureBit, std::uint64_t>);
static_assert(!std::is_constructible_v<FeatureSet, std::uint64_t>);

TEST_CASE("a feature set holds the bits it is given") {
    constexpr FeatureSet set{FeatureBit::ring_indirect_desc, FeatureBit::version_1};
    CHECK(set.bits() == ((std::uint64_t{1} << 28) | (std::uint64_t{1} << 32)));
    CHECK(set.has(FeatureBit::version_1));
    CHECK_FALSE(set.has(FeatureBit::ring_event_idx));
    CHECK(set.word(0) == 1U << 28);
    CHECK(set.word(1) == 1);
    CHECK(set.word(2) == 0);
    CHECK(FeatureSet{FeatureBit::version_1}.is_subset_of(set));
    CHECK_FALSE(set.is_subset_of(FeatureSet{FeatureBit::version_1}));
}

TEST_CASE("words of a feature set are replaced, not added to") {
    FeatureSet set;
    set.set_word(0, 0xff);
    set.set_word(1, 1);
    set.set_word(0, 0x0f);
    set.set_word(2, 0xffff);
    CHECK(set.bits() == 0x10000000f);
    CHECK(set.without(FeatureSet{FeatureBit::version_1}).bits() == 0xf);
}
