// SPDX-License-Identifier: Apache-2.0
#include "service/actions.hpp"

#include "base/log.hpp"
#include "service/object_path.hpp"
#include "zone/check_fit.hpp"

#include <format>
#include <memory>
#include <utility>

namespace hvisor::service {
namespace {

/// Far more than people run at once, and no more memory than a small board has.
constexpr std::size_t most_checks = 8;

Dictionary results(std::uint32_t job) {
    return {{"Job", sdbus::Variant(job_path(job))}};
}

Dictionary results(std::uint32_t job, const std::string& zone) {
    Dictionary all = results(job);
    if (!zone.empty()) {
        all.emplace("Zone", sdbus::Variant(zone_path(zone)));
    }
    return all;
}

} // namespace

Actions::Actions(zone::ZoneManager& zones, ActionCalls& calls, ActionCalls& file_calls, Jobs& jobs,
                 PowerOffs& power_offs)
    : zones_(zones), calls_(calls), file_calls_(file_calls), jobs_(jobs), power_offs_(power_offs) {}

std::optional<Actions::Running> Actions::begin(const Task& task, bool waits, Reply<Dictionary>&& reply) {
    auto job = jobs_.add(task.operation, task.action, task.zone);
    if (!job) {
        send<Dictionary, Dictionary>(std::unexpected(job.error()), reply);
        return std::nullopt;
    }
    Running running{
        .job = *job, .failure = task.failure, .on_failure = task.on_failure, .reply = std::move(reply)};
    calls_.update_objects();
    if (!waits) {
        send<Dictionary, Dictionary>(results(running.job->id()), *running.reply);
        running.reply.reset();
    }
    return running;
}

void Actions::run(Task task, bool waits, Reply<Dictionary>&& reply) {
    if (auto running = begin(task, waits, std::move(reply))) {
        carry_out(std::move(*running), [work = std::move(task.work)](Job& job) mutable {
            return job.begin().and_then([&] { return work(job); });
        });
    }
}

void Actions::carry_out(Running running, Work work) {
    auto& job = *running.job;
    calls_.thread().submit<std::string>(
        [&job, work = std::move(work)]() mutable { return work(job); },
        [this, running = std::move(running)](const Result<std::string>& result) mutable {
            end(running, result);
        });
}

void Actions::end(Running& running, const Result<std::string>& result) {
    running.job->finish(result ? nullptr : &result.error());
    calls_.update_objects();
    if (!result) {
        log::warning({.zone = running.job->inspect().zone, .event = running.on_failure}, "{}: {}",
                     running.failure, result.error().message);
    }
    if (running.reply) {
        send<Dictionary, Dictionary>(
            result.transform([&](const std::string& zone) { return results(running.job->id(), zone); }),
            *running.reply);
    }
}

void Actions::start_configured(std::string name, bool waits, Reply<Dictionary>&& reply) {
    run({.operation = "start",
         .action = Action::start_zone,
         .zone = name,
         .failure = "cannot be started",
         .on_failure = log::Event::zone_not_started,
         .work = [this, name](Job& job) { return zones_.start_configured(name, job.control()); }},
        waits, std::move(reply));
}

void Actions::start(zone::ConfigText zone, zone::ConfigText virtio, BusFiles files, bool waits,
                    Reply<Dictionary>&& reply) {
    auto failure = std::format("the zone of {} cannot be started", zone.name);
    run({.operation = "start",
         .action = Action::manage_zones,
         .zone = "",
         .failure = std::move(failure),
         .on_failure = log::Event::zone_not_started,
         .work =
             [this, zone = std::move(zone), virtio = std::move(virtio), files = adopt(std::move(files))](
                 Job& job) mutable { return zones_.start(zone, virtio, std::move(files), job.control()); }},
        waits, std::move(reply));
}

void Actions::run_behind_power_off(Task task, zone::ZoneManager::PowerOff purpose,
                                   std::chrono::microseconds patience, bool waits,
                                   Reply<Dictionary>&& reply) {
    if (patience.count() == 0) {
        run(std::move(task), waits, std::move(reply));
        return;
    }
    auto running = begin(task, waits, std::move(reply));
    if (!running) {
        return;
    }
    auto& job = *running->job;
    calls_.thread().submit<bool>(
        [this, &job, name = task.zone, purpose] {
            return job.begin().and_then([&] { return zones_.ask_to_power_off(name, purpose); });
        },
        [this, name = task.zone, purpose, patience, running = std::move(*running),
         work = std::move(task.work)](const Result<bool>& asked) mutable {
            if (!asked) {
                end(running, std::unexpected(asked.error()));
                return;
            }
            if (!*asked) {
                carry_out(std::move(running), std::move(work));
                return;
            }
            power_offs_.await(
                std::move(name), PowerOffs::Clock::now() + patience,
                [this, purpose, running = std::move(running), work = std::move(work)](bool has_gone) mutable {
                    if (has_gone && purpose == zone::ZoneManager::PowerOff::for_good) {
                        end(running, std::string());
                    } else {
                        carry_out(std::move(running), std::move(work));
                    }
                });
        });
}

void Actions::shutdown(std::string name, std::chrono::microseconds patience, bool waits,
                       Reply<Dictionary>&& reply) {
    run_behind_power_off(
        {.operation = "shutdown",
         .action = Action::stop_zone,
         .zone = name,
         .failure = "cannot be shut down",
         .work = [this,
                  name](Job&) { return zones_.shutdown(name).transform([] { return std::string(); }); }},
        zone::ZoneManager::PowerOff::for_good, patience, waits, std::move(reply));
}

void Actions::restart(std::string name, std::chrono::microseconds patience, bool waits,
                      Reply<Dictionary>&& reply) {
    run_behind_power_off({.operation = "restart",
                          .action = Action::start_zone,
                          .zone = name,
                          .failure = "cannot be restarted",
                          .on_failure = log::Event::zone_not_started,
                          .work = [this, name](Job& job) { return zones_.restart(name, job.control()); }},
                         zone::ZoneManager::PowerOff::to_restart, patience, waits, std::move(reply));
}

void Actions::define(std::string name, sdbus::UnixFd file, zone::StoreOptions options,
                     Reply<std::string>&& reply) {
    auto failure = std::format("cannot define zone {}", name);
    file_calls_.call<std::string>(
        std::move(failure),
        [this, name = std::move(name), file = std::move(file), options] {
            return zones_.define(name, file.get(), options);
        },
        std::move(reply));
}

void Actions::undefine(std::string name, Reply<>&& reply) {
    auto failure = std::format("cannot undefine zone {}", name);
    file_calls_.call<void>(
        std::move(failure), [this, name = std::move(name)] { return zones_.undefine(name); },
        std::move(reply));
}

// Everybody may ask, so what waits is bounded here, before anything is looked at.
void Actions::check(std::vector<zone::ConfigText> files, std::string folder, Reply<Dictionary>&& reply) {
    auto allowed = zone::check_amount(files);
    if (allowed && checks_ >= most_checks) {
        allowed =
            fail(ErrorCode::resource_busy, "{} checks wait or run; try again when some have ended", checks_);
    }
    if (!allowed) {
        send<Dictionary, Dictionary>(std::unexpected(allowed.error()), reply);
        return;
    }
    ++checks_;
    file_calls_.thread().submit<zone::Findings>(
        [this, files = std::move(files), folder = std::move(folder)] { return zones_.check(files, folder); },
        [this, reply = std::move(reply)](Result<zone::Findings> found) mutable {
            --checks_;
            send<Dictionary, Dictionary>(std::move(found).transform([](const zone::Findings& findings) {
                return Dictionary{{"Problems", sdbus::Variant(findings.problems)},
                                  {"Warnings", sdbus::Variant(findings.warnings)},
                                  {"NotChecked", sdbus::Variant(findings.left_out)}};
            }),
                                         reply);
        });
}

void Actions::configure_virtio(zone::ConfigText config, BusFiles files,
                               Reply<std::vector<std::uint32_t>>&& reply) {
    auto failure = std::format("cannot set the devices of {}", config.name);
    calls_.call<std::vector<std::uint32_t>>(
        std::move(failure),
        [this, config = std::move(config), files = adopt(std::move(files))]() mutable {
            return zones_.configure_virtio(config, std::move(files));
        },
        std::move(reply));
}

} // namespace hvisor::service
