#pragma once
// Whoever wants to see what flows through a pass: a quantizer, a test, a report. Passes are const; they report, and
// nothing of what they run can be changed from here. Null in ordinary use.

#include <cstdint>
#include <string>

#include "engine/tensor.h"

namespace vitq {

struct AttentionShape;

class Observer {
 public:
  virtual ~Observer() = default;

  /// A layer is about to take `src` [rows, inputs], in the encoding that it takes: f32 where the layer is of floats, so
  /// that is what a quantizer sees of a layer it has not yet turned into integers. Valid during the call. False ends
  /// the pass: it returns false at once, and what it would have written is undefined.
  virtual bool input(const std::string& /*layer*/, const Tensor& /*src*/) { return true; }

  /// An attention is about to take qkv: f32 [groups tokens, 3 heads head_dim]. As input().
  virtual bool attention(const std::string& /*attention*/, const Tensor& /*qkv*/, std::int64_t /*heads*/,
                         const AttentionShape& /*shape*/) {
    return true;
  }

  /// The output [batch * tokens, dim] of "blocks.3", "layers.2.blocks.5" or "norm". Valid during the call.
  virtual void output(const std::string& /*name*/, const Tensor& /*value*/) {}
};

}  // namespace vitq
