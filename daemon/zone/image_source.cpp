// SPDX-License-Identifier: Apache-2.0
#include "zone/image_source.hpp"

#include "base/errno_text.hpp"
#include "base/mapping.hpp"

#include <algorithm>
#include <cerrno>
#include <unistd.h>
#include <utility>
#include <zlib.h>
#include <zstd.h>

namespace hvisor::zone {
namespace {

/// What is read of a packed file at a time.
constexpr std::size_t input_size = 64UL * 1024;

/// A window of 128 MiB is the largest that the kernel's own build asks for (zstd -22 --ultra).
constexpr int max_window_log = 27;

class RawSource final : public ImageSource {
  public:
    explicit RawSource(const ImagePayload& payload) : payload_(payload) {}

    Result<std::size_t> read(std::span<std::byte> to) override {
        std::size_t done = 0;
        const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(to.size(), payload_.size - used_));
        while (done < want) {
            const ssize_t count = ::pread(payload_.fd, to.data() + done, want - done,
                                          static_cast<off_t>(payload_.offset + used_));
            if (count < 0 && errno == EINTR) {
                continue;
            }
            if (count < 0) {
                return fail(ErrorCode::io_error, "{}", errno_text());
            }
            if (count == 0) {
                return fail(ErrorCode::io_error, "the file became shorter while it was read");
            }
            done += static_cast<std::size_t>(count);
            used_ += static_cast<std::uint64_t>(count);
        }
        return done;
    }

    [[nodiscard]] std::uint64_t used() const override { return used_; }

  private:
    ImagePayload payload_;
    std::uint64_t used_ = 0;
};

/// What a stream of packed bytes has in common, whoever unpacks it.
class PackedSource : public ImageSource {
  public:
    PackedSource(const ImagePayload& payload, Mapping buffer) : file_(payload), buffer_(std::move(buffer)) {}

    Result<std::size_t> read(std::span<std::byte> to) final {
        std::size_t done = 0;
        while (done < to.size() && !is_at_end_) {
            if (input_.empty() && !is_file_read_) {
                const auto count = file_.read({buffer_.data(), buffer_.size()});
                if (!count) {
                    return std::unexpected(count.error());
                }
                input_ = {buffer_.data(), *count};
                is_file_read_ = *count < buffer_.size();
            }
            const std::size_t before = input_.size();
            const auto count = unpack(input_, to.subspan(done), is_at_end_);
            if (!count) {
                return count;
            }
            done += *count;
            if (!is_at_end_ && *count == 0 && input_.size() == before && is_file_read_) {
                return fail(ErrorCode::invalid_config,
                            "its compressed data ends too early; copy the file once more");
            }
        }
        return done;
    }

    [[nodiscard]] std::uint64_t used() const final { return file_.used() - input_.size(); }

  protected:
    /// Unpack some of `input` into `to`, and take it away from there.
    virtual Result<std::size_t> unpack(std::span<std::byte>& input, std::span<std::byte> to,
                                       bool& is_at_end) = 0;

  private:
    RawSource file_;
    Mapping buffer_;
    std::span<std::byte> input_;
    bool is_file_read_ = false;
    bool is_at_end_ = false; ///< of what is packed; what follows it is not looked at
};

class GzipSource final : public PackedSource {
  public:
    GzipSource(const ImagePayload& payload, Mapping buffer) : PackedSource(payload, std::move(buffer)) {
        constexpr int gzip_header = 16;
        is_ready_ = ::inflateInit2(&stream_, MAX_WBITS + gzip_header) == Z_OK;
    }
    GzipSource(const GzipSource&) = delete;
    GzipSource& operator=(const GzipSource&) = delete;
    GzipSource(GzipSource&&) = delete;
    GzipSource& operator=(GzipSource&&) = delete;
    ~GzipSource() override {
        if (is_ready_) {
            ::inflateEnd(&stream_);
        }
    }
    [[nodiscard]] bool is_ready() const { return is_ready_; }

  protected:
    Result<std::size_t> unpack(std::span<std::byte>& input, std::span<std::byte> to,
                               bool& is_at_end) override {
        stream_.next_in = reinterpret_cast<Bytef*>(input.data());
        stream_.avail_in = static_cast<uInt>(input.size());
        stream_.next_out = reinterpret_cast<Bytef*>(to.data());
        stream_.avail_out = static_cast<uInt>(to.size());
        const int result = ::inflate(&stream_, Z_NO_FLUSH);
        if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) {
            return fail(ErrorCode::invalid_config, "its gzip data is broken ({}); copy the file once more",
                        stream_.msg != nullptr ? stream_.msg : "no reason given");
        }
        input = input.last(stream_.avail_in);
        is_at_end = result == Z_STREAM_END;
        return to.size() - stream_.avail_out;
    }

  private:
    z_stream stream_{};
    bool is_ready_ = false;
};

class ZstdSource final : public PackedSource {
  public:
    ZstdSource(const ImagePayload& payload, Mapping buffer)
        : PackedSource(payload, std::move(buffer)), stream_(::ZSTD_createDStream()) {
        if (stream_ != nullptr) {
            ::ZSTD_DCtx_setParameter(stream_.get(), ZSTD_d_windowLogMax, max_window_log);
        }
    }
    [[nodiscard]] bool is_ready() const { return stream_ != nullptr; }

  protected:
    Result<std::size_t> unpack(std::span<std::byte>& input, std::span<std::byte> to,
                               bool& is_at_end) override {
        ZSTD_inBuffer in{.src = input.data(), .size = input.size(), .pos = 0};
        ZSTD_outBuffer out{.dst = to.data(), .size = to.size(), .pos = 0};
        const std::size_t result = ::ZSTD_decompressStream(stream_.get(), &out, &in);
        if (::ZSTD_isError(result) != 0) {
            return fail(ErrorCode::invalid_config, "its zstd data is broken ({}); copy the file once more",
                        ::ZSTD_getErrorName(result));
        }
        input = input.subspan(in.pos);
        is_at_end = result == 0;
        return out.pos;
    }

  private:
    struct Free {
        void operator()(ZSTD_DStream* stream) const { ::ZSTD_freeDStream(stream); }
    };
    std::unique_ptr<ZSTD_DStream, Free> stream_;
};

template <class Source>
Result<std::unique_ptr<ImageSource>> open_packed(const ImagePayload& payload) {
    auto buffer = Mapping::anonymous(input_size);
    if (!buffer) {
        return std::unexpected(std::move(buffer).error());
    }
    auto source = std::make_unique<Source>(payload, std::move(*buffer));
    if (!source->is_ready()) {
        return fail(ErrorCode::failed, "there is no memory to unpack it");
    }
    return source;
}

} // namespace

Result<std::unique_ptr<ImageSource>> open_source(const ImagePayload& payload) {
    switch (payload.packing) {
    case Packing::none:
        return std::make_unique<RawSource>(payload);
    case Packing::gzip:
        return open_packed<GzipSource>(payload);
    case Packing::zstd:
        return open_packed<ZstdSource>(payload);
    }
    std::unreachable();
}

} // namespace hvisor::zone
