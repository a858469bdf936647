// SPDX-License-Identifier: Apache-2.0
#include "device_fuzz.hpp"
#include "devices/net/config.hpp"
#include "devices/net/device.hpp"
#include "kit/net_cable.hpp"

#include <initializer_list>
#include <span>

namespace {

using namespace hvisor;
using namespace hvisor::devices::net;

// Every byte that the host sends is one of these or small, so that any other
// that reaches the guest shows.
constexpr auto frame_byte = std::byte{'n'};
constexpr auto small = std::byte{0x40};
constexpr auto ecn_segment = std::byte{gso_ecn | gso_tcpv4};

constexpr Mac guest_mac{2, 0, 0, 0, 0, 1};
constexpr Mac host_mac{2, 0, 0, 0, 0, 2};
constexpr Mac group_mac{1, 0, 2, 0, 0, 3};

std::vector<std::byte> make_frame(const Mac& destination, const Mac& source, std::size_t length) {
    std::vector<std::byte> frame(length, frame_byte);
    const EthernetHeader header{.destination = destination, .source = source, .type = {8, 0}};
    std::ranges::copy(std::as_bytes(std::span(&header, 1)).first(std::min(length, sizeof header)),
                      frame.begin());
    return frame;
}

template <class T>
void append(std::vector<std::byte>& to, const T& value) {
    const auto bytes = std::as_bytes(std::span(&value, 1));
    to.insert(to.end(), bytes.begin(), bytes.end());
}

NetSettings make_settings(fuzz::Input& input) {
    // Never so slow that an input takes long.
    const Throttle::Settings limit{.bytes = {.rate = 100'000'000, .burst = 3000}, .operations = {}};
    return {.mac = guest_mac,
            .transmit = input.rarely() ? limit : Throttle::Settings{},
            .receive = input.rarely() ? limit : Throttle::Settings{}};
}

class NetFuzz final : public fuzz::DeviceFuzz<NetDevice> {
  public:
    NetFuzz(fuzz::Input& input, std::shared_ptr<FakeBackend> cable)
        : DeviceFuzz(input, cable, make_settings(input)), host_(std::move(cable)) {}

  private:
    /// virtio 1.2, 5.1.2: behind the pairs that the driver knows of.
    [[nodiscard]] std::size_t control_queue() const {
        const auto pairs = negotiated().has(f_mq) ? host_->pairs() : 1U;
        return negotiated().has(f_ctrl_vq) ? 2 * pairs : SIZE_MAX;
    }

    [[nodiscard]] fuzz::Request make_request(std::size_t queue) override {
        if (queue == control_queue()) {
            return make_command();
        }
        const bool receives = queue % 2 == 0;
        if (receives != input().rarely()) {
            return make_receive_buffer();
        }
        auto request = make_transmission();
        request.may_fault = receives; // there it is no buffer
        return request;
    }

    [[nodiscard]] fuzz::Request make_receive_buffer() {
        fuzz::Request request;
        // A buffer that no header fits into, or that lies in a transmit queue
        // or behind a readable one, may give offence.
        request.may_fault = input().rarely();
        if (request.may_fault && input().sometimes()) {
            request.parts.push_back({.readable = std::vector(8, std::byte{0})});
        }
        for (auto count = 1 + input().below(3); count > 0; --count) {
            const auto least = request.may_fault ? 1U : static_cast<std::uint32_t>(sizeof(Header));
            request.parts.push_back({.writable = least + input().below(input().rarely() ? 20000 : 2000)});
        }
        return request;
    }

    [[nodiscard]] Header make_header() {
        static constexpr std::array<std::uint8_t, 8> types{
            gso_none, gso_none, gso_tcpv4, gso_udp, gso_tcpv6, gso_udp_l4, gso_ecn | gso_tcpv4, gso_ecn};
        Header header{};
        header.flags = input().below(3) == 0 ? std::uint8_t{0} : header_needs_csum;
        header.gso_type = types.at(input().below(types.size()));
        header.hdr_len = static_cast<std::uint16_t>(input().below(100));
        header.gso_size = static_cast<std::uint16_t>(input().below(3000));
        header.csum_start = static_cast<std::uint16_t>(14 + input().below(100));
        header.csum_offset = static_cast<std::uint16_t>(input().below(20));
        if (input().rarely()) {
            header.flags = input().take();
            header.gso_type = input().take();
        }
        if (input().rarely()) {
            header.csum_start = input().take<std::uint16_t>();
            header.csum_offset = input().take<std::uint16_t>();
            header.gso_size = input().take<std::uint16_t>();
        }
        return header;
    }

    /// A frame, cut anywhere.
    [[nodiscard]] fuzz::Request make_transmission() {
        std::vector<std::byte> bytes;
        if (input().sometimes()) {
            append(bytes, make_header());
        } else {
            append(bytes, Header{});
        }
        const auto length = input().rarely() ? input().below(70000) : input().below(1514);
        const auto frame = make_frame(host_mac, input().rarely() ? host_mac : guest_mac, length);
        bytes.insert(bytes.end(), frame.begin(), frame.end());
        if (input().rarely()) {
            bytes.resize(1 + input().below(26));
        }
        fuzz::Request request;
        const auto rest = std::span(bytes);
        std::size_t begin = 0;
        for (auto cuts = input().below(4); cuts > 0 && begin < rest.size(); --cuts) {
            const auto size = std::min<std::size_t>(1 + input().below(200), rest.size() - begin);
            const auto piece = rest.subspan(begin, size);
            request.parts.push_back({.readable = {piece.begin(), piece.end()}});
            begin += size;
        }
        if (begin < rest.size()) {
            const auto piece = rest.subspan(begin);
            request.parts.push_back({.readable = {piece.begin(), piece.end()}});
        }
        if (input().rarely()) {
            request.parts.push_back({.writable = 1 + input().below(100)});
        }
        return request;
    }

    [[nodiscard]] fuzz::Request make_command() {
        std::vector<std::byte> bytes{std::byte{input().take()} & std::byte{7},
                                     std::byte{input().take()} & std::byte{7}};
        switch (static_cast<ControlClass>(bytes.front())) {
        case ControlClass::rx:
            append(bytes, static_cast<std::uint8_t>(input().below(2)));
            break;
        case ControlClass::mac:
            append_addresses(bytes);
            break;
        case ControlClass::mq:
            append(bytes, static_cast<std::uint16_t>(input().below(4)));
            break;
        case ControlClass::guest_offloads:
            append(bytes, input().sometimes() ? input().take<std::uint64_t>()
                                              : negotiated().bits() & input().take<std::uint16_t>());
            break;
        }
        if (input().rarely()) {
            bytes.resize(1 + input().below(40), std::byte{0xff});
        }
        fuzz::Request request;
        // Linux sends the class and the command in a buffer of their own.
        const auto rest = bytes.begin() + std::min<std::ptrdiff_t>(2, std::ssize(bytes));
        request.parts.push_back({.readable = {bytes.begin(), rest}});
        if (rest != bytes.end()) {
            request.parts.push_back({.readable = {rest, bytes.end()}});
        }
        if (input().rarely()) {
            request.may_fault = true; // nowhere for the answer
        } else {
            request.parts.push_back({.writable = 1});
        }
        return request;
    }

    void append_addresses(std::vector<std::byte>& bytes) {
        if (bytes[1] == std::byte{static_cast<std::uint8_t>(MacCommand::addr_set)}) {
            append(bytes, input().sometimes() ? group_mac : host_mac);
            return;
        }
        for (int table = 0; table < 2; ++table) {
            const auto count = input().below(input().rarely() ? 100 : 4);
            append(bytes, input().rarely() ? input().take<std::uint32_t>() : count);
            for (std::uint32_t i = 0; i < count; ++i) {
                append(bytes, table == 0 ? host_mac : group_mac);
            }
        }
    }

    /// Frames come, frames are taken, the cable is pulled and put back.
    void host_step() override {
        const auto pair = input().below(host_->pairs());
        switch (input().below(6)) {
        case 0:
            host_->set_link(input().below(2) == 0);
            break;
        case 1:
            drain();
            break;
        default:
            static_cast<void>(host_->put(make_arrival(), arriving_header(), pair));
            break;
        }
    }

    [[nodiscard]] std::vector<std::byte> make_arrival() {
        static constexpr std::array destinations{guest_mac, guest_mac, group_mac, host_mac};
        const auto length = input().rarely() ? input().below(66000) : 1 + input().below(1514);
        return make_frame(destinations.at(input().below(destinations.size())), host_mac, length);
    }

    [[nodiscard]] Header arriving_header() {
        static constexpr std::array<std::uint8_t, 6> types{gso_none,  gso_none,   gso_tcpv4,
                                                           gso_tcpv6, gso_udp_l4, gso_ecn | gso_tcpv4};
        Header header{};
        header.gso_type = types.at(input().below(types.size()));
        header.flags = header.gso_type != gso_none ? header_needs_csum : std::uint8_t{0};
        header.csum_start = 34;
        header.csum_offset = 16;
        header.gso_size = 0x0505;
        return header;
    }

    void drain() {
        for (std::size_t pair = 0; pair < host_->pairs(); ++pair) {
            while (host_->take(pair)) {
            }
        }
    }

    /// Frames that the full cable keeps in the queue go on their way.
    void hurry() override { drain(); }

    [[nodiscard]] bool may_write(std::byte byte) const override {
        return byte < small || byte == frame_byte || byte == ecn_segment;
    }

    [[nodiscard]] bool works() override {
        // What the driver before sent, and what came before this one was there.
        drain();
        std::vector<std::byte> sent;
        append(sent, Header{});
        const auto frame = make_frame(host_mac, guest_mac, 60);
        sent.insert(sent.end(), frame.begin(), frame.end());
        if (!send(transmit_queue(0), {{.readable = sent}})) {
            return false;
        }
        const auto arrived = host_->take();
        if (!arrived || arrived->bytes != frame) {
            return false;
        }
        return host_->put(make_frame(guest_mac, host_mac, 60)) &&
               send(receive_queue(0), {{.writable = 2048}}) == sizeof(Header) + 60 &&
               latest(0).at(sizeof(Header) + 59) == frame_byte;
    }

    std::shared_ptr<FakeBackend> host_;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    const auto pairs = static_cast<std::uint16_t>(1 + input.below(2));
    NetFuzz(input, std::make_shared<FakeBackend>(pairs)).run();
    return 0;
}
