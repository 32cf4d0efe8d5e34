// A picture: decoded as it is and, where it is a PNG, once more with its checksums put right (a fuzzer does not find
// them by chance), then resized, cropped and normalized to small sizes.

#include <cstdlib>
#include <vector>

#include "engine/picture/resize.h"
#include "tests/fuzz/fuzz.h"
#include "tests/torch_file.h"
#include "vitq/image.h"

namespace vitq::fuzz {
namespace {

/// The checksum of every chunk made to fit its bytes; false where the file is no PNG.
bool repair_png(std::vector<std::uint8_t>& file) {
  constexpr std::size_t kFrame = 12;  // length, type and checksum around a chunk's data
  constexpr std::size_t kSignature = 8;
  if (!text_of(file).starts_with("\x89PNG\r\n\x1A\n")) return false;
  for (std::size_t at = kSignature; at + kFrame <= file.size();) {
    std::size_t length = 0;
    for (int i = 0; i < 4; ++i) length = length << 8 | file[at + i];
    if (length > file.size() - at - kFrame) return true;
    const std::uint32_t sum = test::crc32(text_of(file).substr(at + 4, length + 4));
    for (int i = 0; i < 4; ++i) file[at + length + 8 + i] = static_cast<std::uint8_t>(sum >> (24 - 8 * i));
    at += length + kFrame;
  }
  return true;
}

/// `choice` decides over the sizes.
void decode(Bytes bytes, unsigned choice) {
  Image image;
  if (!succeeds([&] { image = decode_image(bytes, "picture", {.apply_orientation = choice % 5 != 0}); })) return;
  if (image.rgb.size() != std::size_t{3} * image.width * image.height) std::abort();
  const int size = 1 + static_cast<int>(choice % 40);
  const int resize = choice % 3 == 0 ? 0 : size + static_cast<int>(choice % 7);
  succeeds([&] {
    std::vector<float> chw(std::size_t{3} * size * size);
    preprocess(image, {.image_size = size, .resize = resize}, chw);
  });
  succeeds([&] { (void)vitq::resize(image, size, 1 + static_cast<int>(choice % 50)); });
  constexpr int kLongest = 2000;  // the long side grows with the short one
  if (image.width < kLongest && image.height < kLongest) succeeds([&] { (void)resize_short_side(image, size); });
}

}  // namespace
}  // namespace vitq::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vitq;
  const unsigned choice = size > 0 ? data[size - 1] + static_cast<unsigned>(size) : 0;
  fuzz::decode({data, size}, choice);
  std::vector<std::uint8_t> copy(data, data + size);
  if (fuzz::repair_png(copy)) fuzz::decode(copy, choice);
  return 0;
}
