#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/linear_operator.h"

namespace halcyon {

struct InpaintOptions {
  std::string mask = "box";
  double share = 0.5;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.mask, "mask",
          "box: hides the middle; random: hides pixels here and there; or a PNG of the images' "
          "size, black where hidden (inpaint)");
    field(self.share, "share", "hidden: side of the box, or share of the pixels, in (0, 1)");
  }
};

struct SuperresolveOptions {
  int64_t factor = 4;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.factor, "factor", "side of the blocks that are averaged, in pixels (superresolve)");
  }
};

struct DeblurOptions {
  double width = 1.5;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.width, "width", "standard deviation of the Gaussian, in pixels, > 0 (deblur)");
  }
};

/// What has been done to the images.
struct RestoreTaskOptions {
  InpaintOptions inpaint;
  SuperresolveOptions superresolve;
  DeblurOptions deblur;

  template <class Self, class Section>
  static void sections(Self& self, Section&& section) {
    section("inpaint", self.inpaint);
    section("superresolve", self.superresolve);
    section("deblur", self.deblur);
  }
};

struct RestoreTask {
  const char* name;     ///< as written after --task
  const char* summary;  ///< one line, for `halcyon list tasks`
  std::unique_ptr<LinearOperator> (*make)(const RestoreTaskOptions&,
                                          const std::vector<int64_t>& shape, uint64_t seed);
};

/// Every task there is, in the order they are listed to users.
const std::vector<RestoreTask>& restore_tasks();

/// The operator of the task `name` on images of `shape`, [C, H, W]; `seed` chooses a random mask.
/// @throws ConfigError for an unknown task, with the nearest, and for options out of range;
/// DataError for a mask of another size; FileError for one that cannot be read.
std::unique_ptr<LinearOperator> make_operator(const std::string& name,
                                              const RestoreTaskOptions& options,
                                              const std::vector<int64_t>& shape, uint64_t seed);

/// A measurement as an image: A^+ y, but a blurred image as it is.
torch::Tensor as_picture(const LinearOperator& measure, const torch::Tensor& y);

}  // namespace halcyon
