// What every benchmark program states with its figures: oneDNN, its effective ISA and the CPU.

#include <benchmark/benchmark.h>

#include "engine/cpu.h"
#include "engine/gemm/onednn.h"

int main(int argc, char** argv) {
  benchmark::AddCustomContext("cpu", vitq::cpu_name());
  benchmark::AddCustomContext("onednn", vitq::onednn_version());
  benchmark::AddCustomContext("effective_isa", vitq::effective_isa());
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
