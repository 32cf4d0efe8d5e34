#pragma once
// How commands read pictures: which way up, and what is said of one that is too large to be decoded whole.

#include <filesystem>
#include <initializer_list>

#include "cli/args.h"
#include "cli/notices.h"
#include "vitq/image.h"
#include "vitq/preprocessing.h"

namespace vitq {

struct PictureArguments {
  bool no_exif = false;
};

/// Adds --no-exif.
void declare(ArgumentParser& parser, PictureArguments& options);

/// For models that do `preprocessing` to pictures: none is decoded smaller than the largest of them wants it.
DecodeOptions decode_options(const PictureArguments& options,
                             std::initializer_list<const Preprocessing*> preprocessing);

/// " (EXIF ignored)" where it is, for the description of a preprocessing.
const char* exif_text(const PictureArguments& options);

/// Says once that pictures were decoded at a part of their sides; with --strict of each of them.
class ReductionNotice {
 public:
  explicit ReductionNotice(const Notices& notices) : notices_(notices) {}

  /// Of a picture that has 1/reduction of its sides. Throws as Notices::say does.
  void say(const std::filesystem::path& path, int reduction);

 private:
  const Notices& notices_;
  bool is_said_ = false;
};

}  // namespace vitq
