// SPDX-License-Identifier: Apache-2.0
#include "service/actions.hpp"

#include "base/log.hpp"
#include "service/object_path.hpp"
#include "zone/check_fit.hpp"

#include <format>
#include <memory>
#include <type_traits>
#include <utility>

namespace hvisor::service {
namespace {

/// Far more than people run at once, and no more memory than a small board has.
constexpr std::size_t most_checks = 8;

/// The caller's files become the daemon's; it opens nothing by itself, because
/// its rights are not the caller's.
zone::FileTable adopt(BusFiles files) {
    zone::FileTable table;
    for (auto& [path, fd] : files) {
        table.files.emplace(path, UniqueFd(fd.release()));
    }
    return table;
}

template <class T, class... Values>
void send(const Result<T>& result, sdbus::Result<Values...>& reply) {
    try {
        if (result) {
            if constexpr (std::is_void_v<T>) {
                reply.returnResults();
            } else {
                reply.returnResults(*result);
            }
        } else {
            reply.returnError(to_bus_error(result.error()));
        }
    } catch (const sdbus::Error& error) {
        log::info("who has asked has left without the answer: {}", error.getMessage());
    }
}

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

Actions::Actions(zone::ZoneManager& zones, ControlThread& control, ControlThread& files, Jobs& jobs,
                 std::function<void()> update_objects)
    : zones_(zones),
      control_(control),
      files_(files),
      jobs_(jobs),
      update_objects_(std::move(update_objects)) {}

void Actions::run(Task task, bool waits, sdbus::Result<Dictionary>&& reply) {
    const auto added = jobs_.add(task.operation, task.action, std::move(task.zone));
    if (!added) {
        send<Dictionary, Dictionary>(std::unexpected(added.error()), reply);
        return;
    }
    const std::shared_ptr<Job>& job = *added;
    update_objects_();
    if (!waits) {
        send<Dictionary, Dictionary>(results(job->id()), reply);
    }
    control_.submit<std::string>(
        [job, work = std::move(task.work)]() mutable {
            return job->begin().and_then([&] { return work(*job); });
        },
        [this, job, waits, failure = std::move(task.failure),
         reply = std::move(reply)](Result<std::string> result) mutable {
            job->finish(result ? nullptr : &result.error());
            update_objects_();
            if (!result) {
                log::warning("{}: {}", failure, result.error().message);
            }
            if (waits) {
                send<Dictionary, Dictionary>(std::move(result).transform([&](const std::string& zone) {
                    return results(job->id(), zone);
                }),
                                             reply);
            }
        });
}

template <class T, class... Values>
void Actions::call(ControlThread& thread, std::string failure, std::move_only_function<Result<T>()> work,
                   sdbus::Result<Values...>&& reply) {
    thread.submit<T>(std::move(work), [this, failure = std::move(failure),
                                       reply = std::move(reply)](Result<T> result) mutable {
        update_objects_();
        if (!result) {
            log::warning("{}: {}", failure, result.error().message);
        }
        send(result, reply);
    });
}

void Actions::start_configured(std::string name, bool waits, sdbus::Result<Dictionary>&& reply) {
    run({.operation = "start",
         .action = Action::start_zone,
         .zone = name,
         .failure = std::format("cannot start zone {}", name),
         .work = [this, name](Job& job) { return zones_.start_configured(name, job.control()); }},
        waits, std::move(reply));
}

void Actions::start(zone::ConfigText zone, zone::ConfigText virtio, BusFiles files, bool waits,
                    sdbus::Result<Dictionary>&& reply) {
    auto failure = std::format("cannot start the zone of {}", zone.name);
    run({.operation = "start",
         .action = Action::manage_zones,
         .zone = "",
         .failure = std::move(failure),
         .work =
             [this, zone = std::move(zone), virtio = std::move(virtio), files = adopt(std::move(files))](
                 Job& job) mutable { return zones_.start(zone, virtio, std::move(files), job.control()); }},
        waits, std::move(reply));
}

void Actions::shutdown(std::string name, bool waits, sdbus::Result<Dictionary>&& reply) {
    run({.operation = "shutdown",
         .action = Action::stop_zone,
         .zone = name,
         .failure = std::format("cannot shut down zone {}", name),
         .work = [this,
                  name](Job&) { return zones_.shutdown(name).transform([] { return std::string(); }); }},
        waits, std::move(reply));
}

void Actions::restart(std::string name, bool waits, sdbus::Result<Dictionary>&& reply) {
    run({.operation = "restart",
         .action = Action::start_zone,
         .zone = name,
         .failure = std::format("cannot restart zone {}", name),
         .work = [this, name](Job& job) { return zones_.restart(name, job.control()); }},
        waits, std::move(reply));
}

void Actions::define(std::string name, sdbus::UnixFd file, zone::StoreOptions options,
                     sdbus::Result<std::string>&& reply) {
    auto failure = std::format("cannot define zone {}", name);
    call<std::string>(
        files_, std::move(failure),
        [this, name = std::move(name), file = std::move(file), options] {
            return zones_.define(name, file.get(), options);
        },
        std::move(reply));
}

void Actions::undefine(std::string name, sdbus::Result<>&& reply) {
    auto failure = std::format("cannot undefine zone {}", name);
    call<void>(
        files_, std::move(failure), [this, name = std::move(name)] { return zones_.undefine(name); },
        std::move(reply));
}

// Everybody may ask, so what waits is bounded here, before anything is looked at.
void Actions::check(std::vector<zone::ConfigText> files, std::string folder,
                    sdbus::Result<Dictionary>&& reply) {
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
    files_.submit<zone::Findings>(
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
                               sdbus::Result<std::vector<std::uint32_t>>&& reply) {
    auto failure = std::format("cannot set the devices of {}", config.name);
    call<std::vector<std::uint32_t>>(
        control_, std::move(failure),
        [this, config = std::move(config), files = adopt(std::move(files))]() mutable {
            return zones_.configure_virtio(config, std::move(files));
        },
        std::move(reply));
}

void Actions::resize_disk(std::string zone, std::string device, std::uint64_t bytes,
                          sdbus::Result<std::uint64_t>&& reply) {
    auto failure = std::format("cannot resize {} of zone {}", device, zone);
    call<std::uint64_t>(
        control_, std::move(failure),
        [this, zone = std::move(zone), device = std::move(device), bytes] {
            return zones_.devices(zone).and_then(
                [&](const auto& devices) { return devices->resize_disk(device, bytes); });
        },
        std::move(reply));
}

} // namespace hvisor::service
