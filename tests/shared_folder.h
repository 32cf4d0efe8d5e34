#pragma once
// Where the reference data lies that is too large, or not ours, to be in the project: checkpoints, photographs, golden
// outputs. The project passes its tests without it; a test that needs it says so and returns.

#include <filesystem>
#include <optional>

namespace vitq::test {

/// The folder: $VITQ_SHARED if set and not empty, else `shared` beside the source tree. nullopt if it is not a
/// directory. A test that gets nullopt prints a line that begins "SKIPPED: " and returns; ctest then lists it as
/// skipped. Throws std::runtime_error if $VITQ_SHARED is set to something that is not a directory: a typing error must
/// not skip.
std::optional<std::filesystem::path> shared_folder();

}  // namespace vitq::test
