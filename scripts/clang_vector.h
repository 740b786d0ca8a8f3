// For clang-tidy only, included before every source.  With constexpr vectors (libstdc++ 12 on, in
// C++20) Clang instantiates std::vector<c10::IValue> in the headers of LibTorch 1.13 before IValue
// is complete, and stops.  Here std::vector is read as it is in C++17: not constexpr.
// clang-format off
#include <algorithm>
#include <memory>
#include <string>
#ifdef _GLIBCXX20_CONSTEXPR
#undef _GLIBCXX20_CONSTEXPR
#define _GLIBCXX20_CONSTEXPR
#define __fill_a1 __fill_bits  // <algorithm> has declared __fill_a1 as constexpr
#include <vector>
#undef __fill_a1
#undef _GLIBCXX20_CONSTEXPR
#define _GLIBCXX20_CONSTEXPR constexpr
#endif
