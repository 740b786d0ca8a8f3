#pragma once

#include <torch/types.h>

#include <functional>
#include <string>
#include <vector>

#include "core/denoiser.h"
#include "fisher/spectrum.h"

namespace halcyon {

/// The spectrum of the mean denoiser Jacobian M at each of `sigmas`, on the images x0 [N, C, H, W]
/// with one noise draw each.  N (2 + options.steps) vector-Jacobian products a level; `on_level` is
/// called with the number of levels done.
std::vector<DenoiserSpectrum> measure_spectra(Denoiser& denoiser, const torch::Tensor& x0,
                                              const std::vector<double>& sigmas,
                                              const SpectrumOptions& options, uint64_t seed,
                                              const std::function<void(int64_t)>& on_level);

/// Writes `folder`/fisher_spectrum.jsonl (a record a level), eigen_images.png (gray is 0, a row a
/// level, each image scaled by its largest entry) and spectrum.png.  Returns why the plot could not
/// be made; empty if it was.  @throws FileError
std::string write_spectra(const std::string& folder, int64_t step,
                          const std::vector<DenoiserSpectrum>& spectra);

}  // namespace halcyon
