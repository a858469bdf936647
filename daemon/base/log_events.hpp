// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <iterator>
#include <string_view>

namespace hvisor::log {

/// What an operator looks for in the journal, whatever the words of the message.
enum class Event {
    none,
    zone_started,         ///< or has its devices, if it ran already
    zone_shut_down,       ///< by somebody, or to be restarted
    zone_powered_off,     ///< by its guest: the hypervisor has it no more
    zone_failed,          ///< the hypervisor has marked it
    zone_not_started,     ///< somebody wanted it
    zone_not_restarted,   ///< its "restart" wanted it
    zone_resumed,         ///< this daemon goes on where the one before it was
    zone_not_resumed,     ///< and cannot
    device_needs_reset,   ///< its driver cannot be worked with
    interrupt_repaired,   ///< the guest has taken none for a while
    device_stalled,       ///< its back end does not answer
    device_recovered,     ///< and does again
    hypervisor_absent,    ///< there is none to work with
    hypervisor_attached,  ///< there is one now
    trap_loop_stalled,    ///< guests are not answered, so the watchdog is not fed
    stopped_beside_zones, ///< that lose their devices with the daemon
};

struct EventRow {
    Event event;
    std::string_view message_id; ///< the field MESSAGE_ID=; systemd/hvisord.catalog explains each
};

inline constexpr EventRow event_rows[] = {
    {Event::zone_started, "de3ec6f7c71940b3b02cf55cad159e06"},
    {Event::zone_shut_down, "7cb95486e6b8490686c2d20fdc608e03"},
    {Event::zone_powered_off, "7ecd427c3f444d51a80fe49d65bc9806"},
    {Event::zone_failed, "5c5ee405ccff4659906ffd89414bed29"},
    {Event::zone_not_started, "da4a552c2aa14f12b40ecfdf260c08fa"},
    {Event::zone_not_restarted, "4d7c5c8367f2439aa7e9207712e19db5"},
    {Event::zone_resumed, "b8a4d5a1c7f34b0f9b8c1d0a2f6e7c31"},
    {Event::zone_not_resumed, "0e9d7f5c2b6a4c18a3f0d4b7e1c95a62"},
    {Event::device_needs_reset, "ff790c31d45e4863b04ae0607a43d006"},
    {Event::interrupt_repaired, "3addad82f3954438b92f767f58ecdbf5"},
    {Event::device_stalled, "f81b51dc79884502a57876bbf8d43e25"},
    {Event::device_recovered, "242e36881ee64bd79eae127c42662795"},
    {Event::hypervisor_absent, "d7b913c19f834ac19ae9df84bf276377"},
    {Event::hypervisor_attached, "606156856cf84a108d70f38b3f4105b5"},
    {Event::trap_loop_stalled, "4e10595b1622452f8351da7e5e499322"},
    {Event::stopped_beside_zones, "1d173401716f41c68697c96bf2f650ba"},
};

/// "" for none.
[[nodiscard]] constexpr std::string_view message_id(Event event) {
    const auto* row = std::ranges::find(event_rows, event, &EventRow::event);
    return row == std::end(event_rows) ? std::string_view() : row->message_id;
}

} // namespace hvisor::log
