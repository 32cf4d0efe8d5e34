#pragma once
// A test once for each instruction set.

#include <doctest/doctest.h>

#include <optional>

#include "engine/kernels/dispatch.h"

namespace vitq::test {

/// Standing first in a TEST_CASE, repeats it as a subcase for every table of kernels that this CPU (and VITQ_ISA)
/// allows; that table runs until the end of the case.
class EachKernelTable {
 public:
  EachKernelTable() {
    for (const KernelTable* table : available_kernels()) {
      SUBCASE(table->name) { scope_.emplace(*table); }
    }
  }

 private:
  std::optional<KernelScope> scope_;
};

}  // namespace vitq::test
