#pragma once
// Sessions for tests, from a checkpoint.

#include <cstdint>

#include "api/model_impl.h"

namespace vitq::test {

struct Making {
  int threads = 1;
  bool bf16 = false;
};

inline Session make_session(const Checkpoint& checkpoint, const ModelDescription& description,
                            const Making& making = {}) {
  return Session(make_model(checkpoint, description, {.bf16 = making.bf16}), {.threads = making.threads});
}

/// Floats of one normalised picture.
inline std::int64_t picture_size(const Session& session) {
  return 3 * session.model().image_height() * session.model().image_width();
}

}  // namespace vitq::test
