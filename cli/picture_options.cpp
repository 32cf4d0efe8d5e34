#include "cli/picture_options.h"

#include <algorithm>

#include "engine/error.h"

namespace vitq {

void declare(ArgumentParser& parser, PictureArguments& options) {
  parser.flag("--no-exif", options.no_exif,
              "take pictures as they are stored, as training pipelines do; else they are turned as\n"
              "their EXIF orientation says");
}

DecodeOptions decode_options(const PictureArguments& options,
                             std::initializer_list<const Preprocessing*> preprocessing) {
  std::int64_t least_side = 0;
  for (const Preprocessing* how : preprocessing) {
    if (how == nullptr) continue;
    if (how->resize == 0) return {.apply_orientation = !options.no_exif};  // its crop is of all the pixels there are
    least_side = std::max({least_side, how->resize.height, how->resize.width});
  }
  return {.apply_orientation = !options.no_exif, .least_side = static_cast<int>(least_side)};
}

const char* exif_text(const PictureArguments& options) { return options.no_exif ? " (EXIF ignored)" : ""; }

void ReductionNotice::say(const std::filesystem::path& path, int reduction) {
  if (is_said_) return;
  notices_.say(text_of(path.string(), ": has more than the ", kMaxImagePixels,
                       " pixels that are decoded whole; it is read at 1/", reduction,
                       " of its sides, as are all such pictures"));
  is_said_ = true;
}

}  // namespace vitq
