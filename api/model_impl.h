#pragma once
// What a Model and a Session hold. For this room and for those above it that are vitq's own.

#include <atomic>
#include <map>
#include <memory>
#include <string>

#include "engine/layers/workspace.h"
#include "engine/picture/patches.h"
#include "models/describe.h"
#include "models/network.h"
#include "vitq/model.h"
#include "vitq/session.h"
#include "weights/checkpoint.h"

namespace vitq {

struct Model::Impl {
  ModelDescription description;
  std::string precision;
  std::map<std::string, std::string> metadata;  ///< the file's: a stranger's text
  Network network;
};

struct Session::Impl {
  std::shared_ptr<const Model> model;
  int threads;
  Preprocessing preprocessing;
  PixelTable table;  ///< what that makes of bytes, for the model's patch embedding
  Workspace workspace = {};
  std::atomic_flag is_busy = {};
};

/// The model of a checkpoint that describe() has recognised, perhaps with another preprocessing. Throws as Model::open.
std::shared_ptr<const Model> make_model(const Checkpoint& checkpoint, ModelDescription description,
                                        const ModelOptions& options = {});

/// One pass with the time that each step of it took; otherwise as Session::run.
StepClock::Totals profile(Session& session, std::span<const float> images, std::int64_t count, const Outputs& outputs);

}  // namespace vitq
