// Draws 16 images from a trained model: sample RUN PNG
#include <halcyon/checkpoint/checkpoint.h>
#include <halcyon/core/error.h>
#include <halcyon/data/image_set.h>
#include <halcyon/io/image_grid.h>

#include <cstdio>

int main(int argc, char** argv) try {
  if (argc != 3) return 2;
  const auto model = halcyon::load_model(argv[1]);
  const halcyon::SamplerOptions options = {.name = "heun", .steps = 18};
  const auto images = halcyon::draw_samples(model, options, /*count=*/16, /*seed=*/1);
  const auto grid = halcyon::image_grid(halcyon::to_pixels(images), /*columns=*/4, /*padding=*/2,
                                        /*scale=*/16);
  halcyon::write_png(argv[2], grid);
} catch (const halcyon::UserError& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}
