// The one translation unit that holds stb_image, with the decoders vitq uses. Its memory comes from two functions here:
// zeroed, so that a damaged file shows black and never what lay in memory before; and bounded, so that a small file
// that unpacks without end is stopped.

#include <cstdint>
#include <cstdlib>

#include "vitq/image.h"

namespace {

// The largest buffer that an accepted picture needs: its pixels as 16-bit RGBA, and some room.
constexpr std::size_t kMaxBufferBytes = std::size_t{8} * vitq::kMaxImagePixels + (std::size_t{64} << 20);

void* take(std::size_t bytes) { return bytes > kMaxBufferBytes ? nullptr : std::calloc(bytes, 1); }

void* grow(void* buffer, std::size_t bytes) { return bytes > kMaxBufferBytes ? nullptr : std::realloc(buffer, bytes); }

}  // namespace

#define STB_IMAGE_IMPLEMENTATION
#define STBI_ONLY_PNG
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#define STBI_NO_HDR
#define STBI_NO_LINEAR
#define STBI_ASSERT(condition) static_cast<void>(0)  // a damaged file must not abort the program
#define STBI_MALLOC(bytes) take(bytes)
#define STBI_REALLOC(buffer, bytes) grow(buffer, bytes)
#define STBI_FREE(buffer) std::free(buffer)
#include <stb/stb_image.h>
