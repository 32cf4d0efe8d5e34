#include "vitq/version.h"

namespace vitq {

const char* version() noexcept { return VITQ_VERSION; }

}  // namespace vitq
