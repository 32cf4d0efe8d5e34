#include "engine/picture/jpeg.h"

#include <jerror.h>
#include <jpeglib.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdio>  // jpeglib.h wants it
#include <string_view>

#include "engine/error.h"
#include "engine/picture/byte_order.h"

namespace vitq {

namespace {

using namespace std::string_view_literals;

constexpr int kExifMarker = JPEG_APP0 + 1;  // of XMP too
// A progressive picture has about ten; each costs a pass over all pixels, so a file of thousands would hang.
constexpr int kMostScans = 128;
// What the largest picture of four channels takes that may be decoded whole.
constexpr std::int64_t kMostCoefficientBytes = kMaxImagePixels * 4 * static_cast<std::int64_t>(sizeof(JCOEF));

/// One of libjpeg's decoders. libjpeg reports an error by a call that must not come back: it jumps to guarded(), and
/// nothing that has a destructor may live in between.
class Decoder {
 public:
  Decoder(Bytes bytes, const std::string& name) : name_(name) {
    info_.err = jpeg_std_error(&errors_);
    info_.client_data = this;
    errors_.error_exit = [](j_common_ptr info) { self(info).jump(); };
    errors_.emit_message = [](j_common_ptr info, int level) {
      if (level < 0) self(info).warned();
    };
    errors_.output_message = [](j_common_ptr) {};
    progress_.progress_monitor = [](j_common_ptr info) {
      if (self(info).info_.input_scan_number > kMostScans) self(info).jump();
    };
    guarded([&] {
      jpeg_create_decompress(&info_);
      info_.progress = &progress_;
      jpeg_mem_src(&info_, bytes.data(), bytes.size());
      jpeg_save_markers(&info_, kExifMarker, 0xFFFF);
    });
  }
  ~Decoder() = default;
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  void read_header(const JpegFrame& frame) {
    guarded([&] { (void)jpeg_read_header(&info_, TRUE); });
    check(info_.image_width == frame.size.width && info_.image_height == frame.size.height, ErrorCode::kFormat, name_,
          ": damaged JPEG picture: it claims ", frame.size.width, " x ", frame.size.height, " pixels and holds ",
          info_.image_width, " x ", info_.image_height);
    if (jpeg_has_multiple_scans(&info_) != FALSE) check_coefficients();
    info_.scale_num = 1;
    info_.scale_denom = static_cast<unsigned>(frame.reduction);
    info_.out_color_space = has_four_channels() ? JCS_CMYK : JCS_RGB;
  }

  Image read_pixels() {
    guarded([&] { (void)jpeg_start_decompress(&info_); });
    Image image{static_cast<int>(info_.output_width), static_cast<int>(info_.output_height), {}};
    const std::size_t row = std::size_t{3} * info_.output_width;
    image.rgb.resize(row * info_.output_height);
    std::vector<std::uint8_t> cmyk(has_four_channels() ? std::size_t{4} * info_.output_width : 0);
    while (info_.output_scanline < info_.output_height) {
      std::uint8_t* rgb = image.rgb.data() + info_.output_scanline * row;
      JSAMPROW target = cmyk.empty() ? rgb : cmyk.data();
      guarded([&] { (void)jpeg_read_scanlines(&info_, &target, 1); });
      if (!cmyk.empty()) cmyk_to_rgb(cmyk, rgb);
    }
    if (is_cut_off_ || (has_ended_ && !is_complete())) fail_cut_off();
    return image;
  }

  /// As Pillow puts it together: the first Exif segment with the others behind it, and the last one of XMP.
  [[nodiscard]] PictureMetadata metadata() const {
    constexpr std::string_view kExif = "Exif\0\0"sv;
    constexpr std::string_view kXmp = "http://ns.adobe.com/xap/1.0/\0"sv;
    PictureMetadata metadata;
    for (const jpeg_marker_struct* marker = info_.marker_list; marker != nullptr; marker = marker->next) {
      const std::string_view data(reinterpret_cast<const char*>(marker->data), marker->data_length);
      if (data.starts_with(kExif)) metadata.exif += data.substr(metadata.exif.empty() ? 0 : kExif.size());
      if (data.starts_with(kXmp)) metadata.xmp = data.substr(kXmp.size());
    }
    return metadata;
  }

 private:
  static Decoder& self(j_common_ptr info) { return *static_cast<Decoder*>(info->client_data); }

  [[noreturn]] void jump() { std::longjmp(jump_, 1); }

  template <class Step>
  void guarded(const Step& step) {
    // NOLINTNEXTLINE(cert-err52-cpp): the way out of libjpeg that its manual names
    if (setjmp(jump_) == 0) {
      step();
      return;
    }
    check(info_.input_scan_number <= kMostScans, ErrorCode::kFormat, name_, ": damaged JPEG picture: more than ",
          kMostScans, " scans; copy or download it again");
    check(errors_.msg_code != JERR_OUT_OF_MEMORY, ErrorCode::kMemory, name_,
          ": there is not enough memory to decode a JPEG picture");
    if (has_ended_) fail_cut_off();  // what libjpeg puts behind the end of a file makes no sense everywhere
    std::array<char, JMSG_LENGTH_MAX> text{};
    errors_.format_message(reinterpret_cast<j_common_ptr>(&info_), text.data());
    fail(ErrorCode::kFormat, name_, ": damaged JPEG picture: its data do not decode (", text.data(),
         "); copy or download it again");
  }

  [[noreturn]] void fail_cut_off() const {
    fail(ErrorCode::kFormat, name_,
         ": the JPEG picture is cut off: its data end before the picture does; copy or download it again");
  }

  /// The warnings that tell missing data from data that are merely wrong. Entropy-coded data that run out are filled up
  /// with grey. At a restart marker that is damage, and ends there; in the last row of blocks nobody sees it; in a
  /// later scan the row is only coarser.
  void warned() {
    if (errors_.msg_code == JWRN_JPEG_EOF) has_ended_ = true;
    if (errors_.msg_code != JWRN_HIT_MARKER) return;
    const bool is_at_restart = info_.unread_marker >= JPEG_RST0 && info_.unread_marker <= JPEG_RST0 + 7;
    const bool is_first_scan = info_.coef_bits == nullptr || info_.input_scan_number == 1;
    const bool misses_rows = is_first_scan && info_.input_iMCU_row + 1 < info_.total_iMCU_rows;
    is_cut_off_ = is_cut_off_ || has_ended_ || (misses_rows && !is_at_restart);
  }

  /// Whether all scans of all channels were there.
  [[nodiscard]] bool is_complete() const {
    for (int c = 0; c < info_.num_components; ++c) {
      if (info_.comp_info[c].quant_table == nullptr) return false;  // set by a channel's first scan
      if (info_.coef_bits == nullptr) continue;                     // not progressive
      const bool is_exact =
          std::ranges::all_of(std::span(info_.coef_bits[c], DCTSIZE2), [](int bits) { return bits == 0; });
      if (!is_exact) return false;
    }
    return true;
  }

  /// A picture of several scans is held as coefficients, and these are not reduced.
  void check_coefficients() const {
    std::int64_t bytes = 0;
    for (int c = 0; c < info_.num_components; ++c) {
      const jpeg_component_info& channel = info_.comp_info[c];
      bytes +=
          std::int64_t{channel.width_in_blocks} * channel.height_in_blocks * DCTSIZE2 * std::int64_t{sizeof(JCOEF)};
    }
    check(bytes <= kMostCoefficientBytes, ErrorCode::kUnsupported, name_,
          ": the JPEG picture is too large: ", info_.image_width, " x ", info_.image_height,
          " pixels in several scans take ", bytes, " bytes, the limit is ", kMostCoefficientBytes,
          "; make it smaller first");
  }

  [[nodiscard]] bool has_four_channels() const {
    return info_.jpeg_color_space == JCS_CMYK || info_.jpeg_color_space == JCS_YCCK;
  }

  /// Pillow's: ink k takes from what each ink leaves. Adobe's bytes say how much is left.
  static void cmyk_to_rgb(std::span<const std::uint8_t> cmyk, std::uint8_t* rgb) {
    for (std::size_t i = 0; i + 4 <= cmyk.size(); i += 4) {
      const int left = cmyk[i + 3];
      for (int c = 0; c < 3; ++c) {
        const int product = (255 - cmyk[i + c]) * left + 128;
        *rgb++ = static_cast<std::uint8_t>(std::clamp(left - (((product >> 8) + product) >> 8), 0, 255));
      }
    }
  }

  struct Handle {
    Handle() = default;
    ~Handle() { jpeg_destroy_decompress(&info); }
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    jpeg_decompress_struct info{};
  };

  const std::string& name_;
  Handle handle_;
  jpeg_decompress_struct& info_ = handle_.info;
  jpeg_error_mgr errors_{};
  jpeg_progress_mgr progress_{};
  std::jmp_buf jump_{};
  bool has_ended_ = false;   ///< libjpeg has read past the end of the file
  bool is_cut_off_ = false;  ///< rows are missing
};

}  // namespace

DecodedJpeg decode_jpeg(Bytes bytes, const JpegFrame& frame, const std::string& name) {
  Decoder decoder(bytes, name);
  decoder.read_header(frame);
  PictureMetadata metadata = decoder.metadata();
  Image image = decoder.read_pixels();
  image.reduction = frame.reduction;
  return {std::move(image), std::move(metadata)};
}

}  // namespace vitq
