#pragma once
// Our tensors as oneDNN describes them, and what differs between its versions 2.x and 3.x. For this folder only.

#include <dnnl.hpp>

#include "engine/error.h"
#include "engine/gemm/onednn.h"
#include "engine/tensor.h"

namespace vitq {

/// A matmul of the given shapes; bias may be null.
inline dnnl::matmul::primitive_desc describe_matmul(const dnnl::engine& engine, const dnnl::memory::desc& src,
                                                    const dnnl::memory::desc& weights, const dnnl::memory::desc* bias,
                                                    const dnnl::memory::desc& dst,
                                                    const dnnl::primitive_attr& attributes) {
#if DNNL_VERSION_MAJOR >= 3
  return bias != nullptr ? dnnl::matmul::primitive_desc(engine, src, weights, *bias, dst, attributes)
                         : dnnl::matmul::primitive_desc(engine, src, weights, dst, attributes);
#else
  const auto operation =
      bias != nullptr ? dnnl::matmul::desc(src, weights, *bias, dst) : dnnl::matmul::desc(src, weights, dst);
  return {operation, attributes, engine};
#endif
}

/// Every dnnl::error becomes ours, with what was being done.
template <class Work>
auto translated(const char* doing, Work&& work) {
  try {
    return work();
  } catch (const dnnl::error& error) {
    if (error.status == dnnl_out_of_memory) throw std::bad_alloc();
    fail(ErrorCode::kInternal, "oneDNN ", onednn_version(), " failed while ", doing, ": ", error.message);
  }
}

inline dnnl::memory::data_type type_of(DType dtype) {
  switch (dtype) {
    case DType::kS32:
      return dnnl::memory::data_type::s32;
    case DType::kBF16:
      return dnnl::memory::data_type::bf16;
    case DType::kU8:
      return dnnl::memory::data_type::u8;
    case DType::kS8:
      return dnnl::memory::data_type::s8;
    case DType::kF32:
      break;
  }
  return dnnl::memory::data_type::f32;
}

inline dnnl::memory::desc descriptor(const Tensor& tensor) {
  const dnnl::memory::dims dims(tensor.dims.begin(), tensor.dims.begin() + tensor.rank);
  const dnnl::memory::dims strides(tensor.strides.begin(), tensor.strides.begin() + tensor.rank);
  return {dims, type_of(tensor.encoding.dtype), strides};
}

/// Scratch belongs to us: a primitive may then run on another thread than the one that made it.
inline dnnl::primitive_attr matmul_attributes(bool accumulate) {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  dnnl::post_ops operations;
  if (accumulate) operations.append_sum(1.0F);
  attributes.set_post_ops(operations);
  return attributes;
}

}  // namespace vitq
