#include "engine/picture/jpeg.h"

#include <turbojpeg.h>

#include <memory>

#include "engine/error.h"

namespace vitq {

std::optional<Image> decode_jpeg(std::span<const std::uint8_t> bytes, PictureSize size, const std::string& name) {
  const std::unique_ptr<void, int (*)(void*)> decoder(tjInitDecompress(), tjDestroy);
  check(decoder != nullptr, ErrorCode::kMemory, name, ": there is not enough memory to decode a JPEG picture");
  const auto check_done = [&](int status) {
    // A warning says that what was decoded is damaged in part; other readers show such pictures.
    if (status == 0 || tjGetErrorCode(decoder.get()) == TJERR_WARNING) return;
    fail(ErrorCode::kFormat, name, ": damaged JPEG picture: its data do not decode (", tjGetErrorStr2(decoder.get()),
         "); copy or download it again");
  };
  int width = 0;
  int height = 0;
  int sampling = 0;
  int colours = 0;
  check_done(tjDecompressHeader3(decoder.get(), bytes.data(), bytes.size(), &width, &height, &sampling, &colours));
  if (colours == TJCS_CMYK || colours == TJCS_YCCK) return std::nullopt;
  check(width == size.width && height == size.height, ErrorCode::kFormat, name, ": damaged JPEG picture: it claims ",
        size.width, " x ", size.height, " pixels and holds ", width, " x ", height);
  Image image{width, height, std::vector<std::uint8_t>(std::size_t{3} * width * height)};
  constexpr int kDense = 0;
  constexpr int kExact = 0;  // no fast transform, no fast upsampling
  check_done(tjDecompress2(decoder.get(), bytes.data(), bytes.size(), image.rgb.data(), width, kDense, height, TJPF_RGB,
                           kExact));
  return image;
}

}  // namespace vitq
