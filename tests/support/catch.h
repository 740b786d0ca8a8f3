#pragma once

// LibTorch's logging and Catch2 both define CHECK; tests mean Catch2's.  The order matters:
// with Catch2 first, CHECK would silently become the logger's abort.
#include "core/torch.h"
#undef CHECK

#if __has_include(<catch2/catch.hpp>)
#include <catch2/catch.hpp>
namespace halcyon::testing {
using Catch::Contains;
}
#else
#include <catch2/catch_all.hpp>
namespace halcyon::testing {
using Catch::Matchers::ContainsSubstring;
inline auto Contains(const std::string& text) { return ContainsSubstring(text); }
}  // namespace halcyon::testing
#endif

namespace halcyon::testing {
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;
}  // namespace halcyon::testing
