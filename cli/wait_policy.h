#pragma once
// How threads without work wait for some. libgomp lets them spin for a thousandth of a second or more, which on a
// machine whose cores are busy makes every parallel region wait for threads that are not running: DeiT-S on integers,
// two threads, beside one busy core, 444 ms a picture instead of 22.

#include <string>

namespace vitq {

/// Makes them spin shortly (GOMP_SPINCOUNT=1000), then sleep: 43 ms in that case, and no loss on a quiet machine (19
/// ms). libgomp reads this from the environment when it is loaded, so the program starts itself once more, with `argv`.
/// Does nothing, and returns, where the user has chosen (OMP_WAIT_POLICY or GOMP_SPINCOUNT is set) or the system does
/// not let it.
void choose_wait_policy(char** argv);

/// What holds now, for people: "GOMP_SPINCOUNT=1000", "OMP_WAIT_POLICY=passive", "libgomp's own".
std::string wait_policy();

}  // namespace vitq
