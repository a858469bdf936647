// SPDX-License-Identifier: Apache-2.0
// A polkit that does what it was told, and prints what it is asked:
//
//     mock_polkit BUS-ADDRESS allow|deny|challenge|silent

#include <sdbus-c++/sdbus-c++.h>

#include <cstdint>
#include <cstdio>
#include <map>
#include <print>
#include <string>
#include <vector>

namespace {

using Subject = sdbus::Struct<std::string, std::map<std::string, sdbus::Variant>>;
using Details = std::map<std::string, std::string>;
using Answer = sdbus::Struct<bool, bool, Details>;

int serve(const std::string& address, const std::string& verdict) {
    const auto connection = sdbus::createSessionBusConnectionWithAddress(address);
    const auto authority =
        sdbus::createObject(*connection, sdbus::ObjectPath("/org/freedesktop/PolicyKit1/Authority"));
    std::vector<sdbus::Result<Answer>> unanswered;
    const auto check = [&](sdbus::Result<Answer>&& reply, const Subject& subject, const std::string& action,
                           const Details& details, std::uint32_t flags, const std::string& /*cancellation*/) {
        const auto zone = details.find("zone");
        std::println("{} {} zone={} interactive={}", std::get<0>(subject), action,
                     zone == details.end() ? "-" : zone->second, flags & 1U);
        std::fflush(stdout);
        if (verdict == "silent") {
            unanswered.push_back(std::move(reply));
            return;
        }
        reply.returnResults(Answer(verdict == "allow", verdict == "challenge", {}));
    };
    authority->addVTable(sdbus::registerMethod("CheckAuthorization").implementedAs(check))
        .forInterface("org.freedesktop.PolicyKit1.Authority");
    connection->requestName(sdbus::ServiceName("org.freedesktop.PolicyKit1"));
    std::println("ready");
    std::fflush(stdout);
    connection->enterEventLoop();
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        return 2;
    }
    try {
        return serve(argv[1], argv[2]);
    } catch (const sdbus::Error& error) {
        std::println(stderr, "mock_polkit: {}", error.what());
        return 1;
    }
}
