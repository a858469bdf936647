// SPDX-License-Identifier: Apache-2.0
#include "zone/device_tree.hpp"

#include "base/checked.hpp"

#include <algorithm>
#include <libfdt.h>
#include <map>
#include <ranges>
#include <string_view>
#include <utility>

namespace hvisor::zone {
namespace {

/// Far above any board's; they keep the time that a hostile tree takes small.
constexpr std::size_t max_node_depth = 32;
constexpr std::size_t max_nodes = 256;

/// A value of a property: numbers of 32 bits, most significant byte first.
class Cells {
  public:
    Cells() = default;
    Cells(const void* fdt, int node, const char* property) {
        int length = 0;
        if (const void* data = ::fdt_getprop(fdt, node, property, &length); data != nullptr && length > 0) {
            bytes_ = {static_cast<const std::byte*>(data), static_cast<std::size_t>(length)};
        }
    }

    [[nodiscard]] std::size_t size() const { return bytes_.size() / sizeof(fdt32_t); }
    [[nodiscard]] std::uint32_t at(std::size_t index) const {
        return ::fdt32_ld(reinterpret_cast<const fdt32_t*>(bytes_.data()) + index);
    }
    /// Up to two cells from `index` on as one number; those above are cut, as Linux does.
    [[nodiscard]] std::uint64_t number(std::size_t index, std::size_t count) const {
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < count; ++i) {
            value = (value << 32U) | at(index + i);
        }
        return value;
    }

  private:
    std::span<const std::byte> bytes_;
};

std::optional<std::uint32_t> cell(const void* fdt, int node, const char* property) {
    const Cells cells(fdt, node, property);
    return cells.size() == 1 ? std::optional(cells.at(0)) : std::nullopt;
}

std::string_view text(const void* fdt, int node, const char* property) {
    int length = 0;
    const auto* data = static_cast<const char*>(::fdt_getprop(fdt, node, property, &length));
    return data == nullptr || length <= 0
               ? std::string_view{}
               : std::string_view(data, ::strnlen(data, static_cast<std::size_t>(length)));
}

/// One entry of a bus's "ranges".
struct Window {
    std::uint64_t child = 0;
    std::uint64_t parent = 0;
    std::uint64_t size = 0;
};

/// A node on the way from the root, and what it means for its children.
struct Frame {
    std::string_view name;
    std::size_t address_cells = 2; // the defaults of the specification (2.3.5)
    std::size_t size_cells = 1;
    std::optional<std::uint32_t> interrupt_parent;
    bool is_bus = true;          ///< its children's addresses can be had as the CPUs' own
    std::vector<Window> windows; ///< none: the same addresses
};

class Walk {
  public:
    explicit Walk(const void* fdt) : fdt_(fdt) {}

    Result<DeviceTree> run() {
        int depth = 0;
        int node = 0;
        for (; node >= 0 && depth >= 0; node = ::fdt_next_node(fdt_, node, &depth)) {
            if (std::cmp_greater_equal(depth, max_node_depth)) {
                return fail(ErrorCode::invalid_config, "it has nodes {} levels deep; expected fewer than {}",
                            depth, max_node_depth);
            }
            path_.resize(static_cast<std::size_t>(depth));
            visit(node);
            if (tree_.memory.size() > max_nodes || tree_.cpus.size() > max_nodes ||
                tree_.virtio.size() > max_nodes) {
                return fail(ErrorCode::invalid_config,
                            "it has more than {} nodes of memory, CPUs or virtio,mmio", max_nodes);
            }
        }
        for (const auto& [index, parent, first] : interrupts_) {
            tree_.virtio[index].interrupt = interrupt(parent, first);
        }
        return std::move(tree_);
    }

  private:
    void visit(int node) {
        const char* name = ::fdt_get_name(fdt_, node, nullptr);
        Frame frame;
        frame.name = name == nullptr ? "" : name;
        const Frame* parent = path_.empty() ? nullptr : &path_.back();
        if (parent != nullptr) {
            read_node(node, frame, *parent);
        }
        frame.address_cells = cell(fdt_, node, "#address-cells").value_or(2);
        frame.size_cells = cell(fdt_, node, "#size-cells").value_or(1);
        frame.interrupt_parent = cell(fdt_, node, "interrupt-parent");
        if (!frame.interrupt_parent && parent != nullptr) {
            frame.interrupt_parent = parent->interrupt_parent;
        }
        if (const auto phandle = ::fdt_get_phandle(fdt_, node); phandle != 0) {
            if (const auto cells = cell(fdt_, node, "#interrupt-cells")) {
                controllers_.emplace(phandle, *cells);
            }
        }
        if (parent != nullptr) {
            read_windows(node, frame, *parent);
        }
        path_.push_back(std::move(frame));
    }

    void read_node(int node, const Frame& frame, const Frame& parent) {
        const std::string_view type = text(fdt_, node, "device_type");
        if (path_.size() == 1 && frame.name == "chosen") {
            tree_.bootargs = text(fdt_, node, "bootargs");
        }
        if (path_.size() == 1 && type == "memory") {
            for (const auto& [address, size] : ranges(node, parent)) {
                tree_.memory.push_back({address, size, node_path(frame)});
            }
        }
        if (path_.size() == 2 && parent.name == "cpus" && type == "cpu") {
            const Cells reg(fdt_, node, "reg");
            const std::size_t cells = std::min(parent.address_cells, reg.size());
            tree_.cpus.push_back({reg.number(0, cells), node_path(frame)});
        }
        if (::fdt_node_check_compatible(fdt_, node, "virtio,mmio") == 0) {
            read_virtio(node, frame, parent);
        }
    }

    void read_virtio(int node, const Frame& frame, const Frame& parent) {
        TreeVirtio device;
        device.node = node_path(frame);
        if (const auto reg = ranges(node, parent); !reg.empty()) {
            device.address = reg.front().first;
            device.length = reg.front().second;
        }
        // Its controller may stand further down, so its cells are counted at the end.
        auto controller = cell(fdt_, node, "interrupt-parent");
        Cells interrupts(fdt_, node, "interrupts");
        if (const Cells extended(fdt_, node, "interrupts-extended"); extended.size() > 1) {
            interrupts_.push_back({tree_.virtio.size(), extended.at(0), {extended, 1}});
        } else if (controller = controller ? controller : parent.interrupt_parent; controller) {
            interrupts_.push_back({tree_.virtio.size(), *controller, {interrupts, 0}});
        }
        tree_.virtio.push_back(std::move(device));
    }

    /// The "reg" of a node as the CPUs see it; what cannot be had so is left out.
    [[nodiscard]] std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges(int node,
                                                                              const Frame& parent) const {
        std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
        const Cells reg(fdt_, node, "reg");
        const std::size_t step = parent.address_cells + parent.size_cells;
        if (parent.address_cells > 2 || parent.size_cells > 2 || step == 0 || !parent.is_bus) {
            return ranges;
        }
        for (std::size_t at = 0; at + step <= reg.size() && ranges.size() <= max_nodes; at += step) {
            const std::uint64_t size = reg.number(at + parent.address_cells, parent.size_cells);
            if (const auto address = translate(reg.number(at, parent.address_cells), size)) {
                ranges.emplace_back(*address, size);
            }
        }
        return ranges;
    }

    /// An address of a child of the last node on the path, up through all buses.
    [[nodiscard]] std::optional<std::uint64_t> translate(std::uint64_t address, std::uint64_t size) const {
        for (const Frame& bus : path_ | std::views::reverse) {
            if (bus.windows.empty()) {
                continue;
            }
            const auto window = std::ranges::find_if(bus.windows, [&](const Window& each) {
                return range_inside(address, size, each.child, each.size);
            });
            if (window == bus.windows.end()) {
                return std::nullopt;
            }
            address = window->parent + (address - window->child);
        }
        return address;
    }

    void read_windows(int node, Frame& frame, const Frame& parent) {
        int length = 0;
        // "If the property is not present, it is assumed that no mapping exists" (2.3.8).
        if (::fdt_getprop(fdt_, node, "ranges", &length) == nullptr || !parent.is_bus) {
            frame.is_bus = false;
            return;
        }
        const Cells cells(fdt_, node, "ranges");
        const std::size_t step = frame.address_cells + parent.address_cells + frame.size_cells;
        if (cells.size() == 0) {
            return;
        }
        if (frame.address_cells > 2 || parent.address_cells > 2 || frame.size_cells > 2) {
            frame.is_bus = false; // PCI, whose addresses have a third cell
            return;
        }
        for (std::size_t at = 0; step != 0 && at + step <= cells.size() && frame.windows.size() < max_nodes;
             at += step) {
            frame.windows.push_back(
                {cells.number(at, frame.address_cells),
                 cells.number(at + frame.address_cells, parent.address_cells),
                 cells.number(at + frame.address_cells + parent.address_cells, frame.size_cells)});
        }
    }

    struct Specifier {
        Cells cells;
        std::size_t first = 0;
    };

    /// The first interrupt of a specifier, by what its controller calls one.
    [[nodiscard]] std::optional<std::uint32_t> interrupt(std::uint32_t controller,
                                                         const Specifier& specifier) const {
        const auto found = controllers_.find(controller);
        const auto& [cells, first] = specifier;
        if (found == controllers_.end() || found->second == 0 || found->second > cells.size() ||
            first > cells.size() - found->second) {
            return std::nullopt;
        }
        if (found->second < 3) {
            return cells.at(first);
        }
        // arm,gic: "The 1st cell is the interrupt type; 0 for SPI interrupts, 1 for PPI interrupts".
        constexpr std::uint32_t first_spi = 32;
        constexpr std::uint32_t first_ppi = 16;
        return cells.at(first + 1) + (cells.at(first) == 0 ? first_spi : first_ppi);
    }

    [[nodiscard]] std::string node_path(const Frame& last) const {
        std::string path;
        for (const Frame& frame : std::span(path_).subspan(1)) {
            path.append("/").append(frame.name);
        }
        return path.append("/").append(last.name);
    }

    struct Pending {
        std::size_t index; ///< of the device
        std::uint32_t controller;
        Specifier specifier;
    };

    const void* fdt_;
    DeviceTree tree_;
    std::vector<Frame> path_;
    std::map<std::uint32_t, std::uint32_t> controllers_; ///< #interrupt-cells by phandle
    std::vector<Pending> interrupts_;
};

} // namespace

Result<DeviceTree> read_device_tree(std::span<const std::byte> blob) {
    if (blob.size() > max_device_tree_size) {
        return fail(ErrorCode::invalid_config, "it has {} bytes; expected a device tree blob of at most {}",
                    blob.size(), max_device_tree_size);
    }
    // libfdt takes it for aligned to 8 bytes, which what was read from a file is.
    if (const int error = ::fdt_check_full(blob.data(), blob.size()); error != 0) {
        return fail(ErrorCode::invalid_config,
                    "it is no sound device tree blob ({}); expected what dtc -O dtb writes",
                    ::fdt_strerror(error));
    }
    return Walk(blob.data()).run();
}

} // namespace hvisor::zone
