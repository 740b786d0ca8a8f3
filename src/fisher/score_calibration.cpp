#include "fisher/score_calibration.h"

#include <algorithm>
#include <cmath>

#include "core/torch.h"

namespace halcyon {
namespace {

// The variables of SampleMoments, each a mean over the d dimensions of one sample.
enum Variable : int64_t {
  kHat2,    // |eps_hat|^2 / d
  kCross,   // n . eps_hat / d
  kError2,  // |n - eps_hat|^2 / d
  kVariables
};

torch::Tensor mean_product(const torch::Tensor& a, const torch::Tensor& b) {
  return (a * b).flatten(1).mean(1, /*keepdim=*/false, torch::kFloat64);
}

}  // namespace

CalibrationLevel::CalibrationLevel(double sigma) : sigma_(sigma), moments_(kVariables) {}

void CalibrationLevel::add(Denoiser& denoiser, const torch::Tensor& x0,
                           const torch::Tensor& noise) {
  const torch::NoGradGuard no_grad;
  const auto x = x0 + sigma_ * noise;
  const auto denoised = denoiser.denoise(x, torch::full({x.size(0)}, sigma_, x.options()));
  const auto eps_hat = (x - denoised) / sigma_;
  // n - eps_hat = (D - x_0) / sigma, from the x_0 error: exact also where D is close to x.
  const auto error = (denoised - x0) / sigma_;
  moments_.add(torch::stack(
      {mean_product(eps_hat, eps_hat), mean_product(noise, eps_hat), mean_product(error, error)},
      /*dim=*/1));
}

CalibrationFit CalibrationLevel::fit() const {
  TORCH_CHECK(moments_.count() > 1, "CalibrationLevel: want at least 2 samples, got ",
              moments_.count());
  CalibrationFit fit;
  fit.sigma = sigma_;
  fit.fisher_frac_exp = moments_.mean(kHat2);
  fit.fisher_frac_stein = moments_.mean(kCross);
  fit.calibration = moments_.ratio({0, 1, 0}, {1, 0, 0});
  const double j_exp = fit.fisher_frac_exp.value;
  const double excess = fit.calibration.value - 1;
  const double error = fit.calibration.standard_error;
  fit.drop_fitted = j_exp * excess * excess;
  // (c - 1)^2 with c ~ N(m, e^2) has variance 4 (m - 1)^2 e^2 + 2 e^4, and (m - 1)^2 is about
  // (c - 1)^2 - e^2.
  const double spread =
      std::sqrt(std::max(4 * excess * excess - 2 * error * error, 2 * error * error));
  fit.drop_expected = {fit.drop_fitted - 2 * j_exp * error * error, j_exp * error * spread,
                       moments_.count()};
  return fit;
}

CalibrationGain CalibrationLevel::gain(double c) const {
  // |n - eps_hat|^2 - |n - c eps_hat|^2 = 2 (c - 1) n . eps_hat - (c^2 - 1) |eps_hat|^2
  const std::vector<double> drop = {1 - c * c, 2 * (c - 1), 0};
  return {moments_.mean(kError2), moments_.combination({-drop[0], -drop[1], 1}),
          moments_.combination(drop)};
}

}  // namespace halcyon
