// SPDX-License-Identifier: Apache-2.0
#include "zone/config_store.hpp"

#include "base/unique_fd.hpp"
#include "temporary_directory.hpp"
#include "zone/config_files.hpp"
#include "zone_files.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace config_store_test {

using namespace hvisor::zone;
using hvisor::ErrorCode;

namespace {

namespace fs = std::filesystem;

/// Directories of configurations, empty, and the text of one with its files.
struct Bench {
    test::TemporaryDirectory directory;
    std::vector<fs::path> directories{directory.path() / "etc", directory.path() / "run"};
    std::string text;

    Bench() {
        text = test::good_one_file;
        for (const std::string name : {"Image", "initrd.gz", "disk.img"}) {
            directory.write(name, name == "Image" ? test::arm64_image(0) : std::string(4096, 'd'));
            text = test::changed(text, '"' + name + '"', '"' + (directory.path() / name).string() + '"');
        }
    }

    hvisor::Result<fs::path> define(const StoreOptions& options = {}) const {
        return define_config(directories, "camera", text, options);
    }
    /// How many files there are in all the directories.
    [[nodiscard]] std::ptrdiff_t files() const {
        std::ptrdiff_t count = 0;
        for (const auto& each : directories) {
            std::error_code error;
            count += std::distance(fs::directory_iterator(each, error), fs::directory_iterator());
        }
        return count;
    }
};

} // namespace

TEST_CASE("a configuration is kept whole, for all to read, and found again") {
    Bench bench;
    const auto path = bench.define();
    INFO((path ? "" : path.error().message));
    REQUIRE(path);
    CHECK(*path == bench.directories[0] / "camera.json");
    struct stat status{};
    REQUIRE(::stat(path->c_str(), &status) == 0);
    CHECK((status.st_mode & 0777U) == 0644U);
    CHECK(find_config(bench.directories, "camera")->zone.text == bench.text);
    CHECK(bench.files() == 1);

    const auto again = bench.define();
    REQUIRE_FALSE(again);
    CHECK(again.error().code == ErrorCode::zone_exists);
    bench.text += "\n";
    REQUIRE(bench.define({.replace = true}));
    CHECK(find_config(bench.directories, "camera")->zone.text == bench.text);
    CHECK(bench.files() == 1);
    REQUIRE(undefine_config(bench.directories, "camera"));
    CHECK(bench.files() == 0);
    CHECK(undefine_config(bench.directories, "camera").error().code == ErrorCode::no_such_zone);
}

TEST_CASE("what is wrong with a configuration is said, and nothing is kept of it") {
    Bench bench;
    SECTION("it is no JSON") {
        bench.text = "{";
    }
    SECTION("it has a problem") {
        bench.text = test::changed(bench.text, R"("zone_id": 1)", R"("zone_id": 0)");
    }
    SECTION("it is upstream's form") {
        bench.text = std::string(test::good_zone);
    }
    const auto path = bench.define();
    REQUIRE_FALSE(path);
    CHECK(path.error().code == ErrorCode::invalid_config);
    CHECK(path.error().message.contains("camera.json"));
    CHECK(bench.files() == 0);
}

TEST_CASE("the name of a configuration leads nowhere else") {
    const Bench bench;
    for (const std::string name : {"", ".", "..", "../camera", "/camera", ".camera"}) {
        const auto path = define_config(bench.directories, name, bench.text, {});
        REQUIRE_FALSE(path);
        CHECK(path.error().code == ErrorCode::no_such_zone);
        CHECK(undefine_config(bench.directories, name).error().code == ErrorCode::no_such_zone);
    }
    CHECK(bench.files() == 0);
}

TEST_CASE("for the time until the next boot there must be a directory for it") {
    const Bench bench;
    const auto path = bench.define({.runtime = true});
    REQUIRE_FALSE(path);
    CHECK(path.error().code == ErrorCode::not_found);
    CHECK(path.error().message == "no directory for zones is below /run; define the zone for good");
}

TEST_CASE("what others have written is not removed with a configuration") {
    const Bench bench;
    REQUIRE(bench.define());
    const auto drop_ins = bench.directories[1] / "camera.json.d";
    fs::create_directories(drop_ins);
    const auto removed = undefine_config(bench.directories, "camera");
    REQUIRE_FALSE(removed);
    CHECK(removed.error().code == ErrorCode::wrong_state);
    CHECK(removed.error().message.contains(drop_ins.string()));
    CHECK(find_config(bench.directories, "camera"));
}

TEST_CASE("a configuration comes from a regular file that is not too large") {
    const Bench bench;
    bench.directory.write("text", bench.text);
    const hvisor::UniqueFd file(::open((bench.directory.path() / "text").c_str(), O_RDONLY | O_CLOEXEC));
    // Wherever somebody has read it to.
    REQUIRE(::lseek(file.get(), 5, SEEK_SET) == 5);
    CHECK(read_config_file(file.get()).value_or("") == bench.text);

    bench.directory.write("large", std::string((1024UL * 1024) + 1, ' '));
    const hvisor::UniqueFd large(::open((bench.directory.path() / "large").c_str(), O_RDONLY | O_CLOEXEC));
    CHECK(read_config_file(large.get()).error().message ==
          "the configuration has 1048577 bytes; expected at most 1048576");
    int pipe_ends[2] = {};
    REQUIRE(::pipe2(pipe_ends, O_CLOEXEC) == 0);
    const hvisor::UniqueFd reading(pipe_ends[0]);
    const hvisor::UniqueFd writing(pipe_ends[1]);
    CHECK(read_config_file(reading.get()).error().code == ErrorCode::invalid_config);
    CHECK(read_config_file(-1).error().code == ErrorCode::invalid_config);
}

} // namespace config_store_test
