#include "fisher/parameter_options.h"

#include "core/require.h"

namespace halcyon {

void check_options(const ParameterFisherOptions& o) {
  const auto want = [](bool good, const char* key, const char* range, auto got) {
    require_option(good, std::string("--parameters.") + key, range, got);
  };
  want(o.bands > 0, "bands", "a whole number > 0", o.bands);
  want(o.draws >= 2, "draws", "a whole number >= 2", o.draws);
  want(o.products >= 2, "products", "a whole number >= 2", o.products);
  want(o.batch > 0, "batch", "a whole number > 0", o.batch);
  want(o.images >= 16, "images", "a whole number >= 16", o.images);
  want(o.top > 0, "top", "a whole number > 0", o.top);
  want(o.steps > o.top, "steps", "a whole number > parameters.top", o.steps);
  want(o.probes >= 2, "probes", "a whole number >= 2", o.probes);
  const auto steps = static_cast<double>(o.steps);
  want(o.ridge * steps * steps >= 1 && o.ridge <= 1, "ridge", "a number in [1 / steps^2, 1]",
       o.ridge);
}

}  // namespace halcyon
