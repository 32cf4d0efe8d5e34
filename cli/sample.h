#pragma once
// Which pictures calibrate a model: some of many, chosen by a seed, the same ones on every machine.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace vitq {

/// `count` different numbers below `total`, rising. A Fisher-Yates shuffle of 0..total-1 stopped after `count` steps:
/// step i swaps place i with place i + r, r = x mod (total - i), x the next output of SplitMix64 started at `seed` that
/// lies below the largest multiple of (total - i). Throws Error where count > total.
std::vector<std::size_t> sample_indices(std::size_t total, std::size_t count, std::uint64_t seed);

/// `count` of `pictures`, sorted by file name (then path; a file given twice, by whatever names, counts once):
/// sample_indices() of that list, so that neither the order nor the folder they are given by matters. Throws Error
/// where there are too few.
std::vector<std::filesystem::path> sample_pictures(std::vector<std::filesystem::path> pictures, std::size_t count,
                                                   std::uint64_t seed);

/// SHA-256 of the lines that `sha256sum NAME...` prints of `pictures`, in their order and under their file names.
std::string sha256_of_pictures(const std::vector<std::filesystem::path>& pictures);

}  // namespace vitq
