// SPDX-License-Identifier: Apache-2.0
#include "zone/json_document.hpp"

#include <algorithm>
#include <utility>

namespace hvisor::zone {
namespace {

// The parser has bounded how deep these go.
// NOLINTBEGIN(misc-no-recursion)
void set_source(JsonValue& value, std::size_t source) {
    value.source = source;
    for (JsonValue& element : value.elements) {
        set_source(element, source);
    }
    for (JsonMember& member : value.members) {
        set_source(member.value, source);
    }
}

/// MergePatch of RFC 7386, section 2. An object that a patch changes goes on
/// standing where it stood, one that it makes stands in the patch.
void merge_into(JsonValue& target, JsonValue patch) {
    if (patch.kind != JsonValue::Kind::object) {
        target = std::move(patch);
        return;
    }
    if (target.kind != JsonValue::Kind::object) {
        target = JsonValue{};
        target.kind = JsonValue::Kind::object;
        target.source = patch.source;
        target.offset = patch.offset;
    }
    for (JsonMember& member : patch.members) {
        const auto found = std::ranges::find(target.members, member.name, &JsonMember::name);
        if (member.value.kind == JsonValue::Kind::null) {
            if (found != target.members.end()) {
                target.members.erase(found);
            }
        } else if (found != target.members.end()) {
            merge_into(found->value, std::move(member.value));
        } else {
            // Through a fresh value: what is null inside of it must not stay.
            JsonValue value;
            merge_into(value, std::move(member.value));
            target.members.push_back({member.name, std::move(value)});
        }
    }
}

// NOLINTEND(misc-no-recursion)

} // namespace

void JsonDocument::merge(JsonDocument patch) {
    set_source(*patch.root_, sources_.size());
    sources_.push_back(std::move(patch.sources_.front()));
    merge_into(*root_, std::move(*patch.root_));
}

} // namespace hvisor::zone
