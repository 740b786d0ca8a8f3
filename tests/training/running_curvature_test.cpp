#include "training/running_curvature.h"

#include "core/error.h"
#include "core/preconditioning.h"
#include "core/random.h"
#include "tests/support/catch.h"
#include "tests/support/formed_fisher.h"
#include "tests/support/relative_error.h"
#include "tests/support/small_networks.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

/// A small U-Net and batches for it.
struct Subject {
  RegressionBatch batch(int64_t index) const {
    auto rng = make_generator(4, "batch", index);
    const auto shape = small_shape();
    const auto x =
        torch::randn({3, shape.channels, shape.height, shape.width}, rng, torch::kFloat64);
    const auto tau = torch::rand({3}, rng, torch::kFloat64) + 0.5;
    return {x, x, tau, tau};
  }
  TappedBatch tapped(int64_t index) { return {denoiser, space, batch(index)}; }

  std::shared_ptr<ScoreNetwork> network = small_network("unet");
  std::unique_ptr<Preconditioning> preconditioning =
      make_preconditioning({.name = "edm", .sigma_data = 0.5});
  PreconditionedDenoiser denoiser{*network, *preconditioning};
  ParameterSpace space{*network};
};

TensorMap copy_of(const TensorMap& tensors) {
  TensorMap copy;
  for (const auto& [name, tensor] : tensors) copy[name] = tensor.clone();
  return copy;
}

}  // namespace

TEST_CASE("a curvature that keeps nothing is the fit of the last batch",
          "[training][curvature][oracle]") {
  Subject subject;
  const auto kind = GENERATE(CurvatureKind::kfac, CurvatureKind::ekfac);
  const auto sharing = GENERATE(WeightSharing::expand, WeightSharing::reduce);
  RunningCurvature running(kind, subject.space);
  auto rng = make_generator(5, "targets");
  running.add(subject.tapped(0), {.sharing = sharing}, rng);
  auto twin = rng.clone();
  running.add(subject.tapped(1), {.sharing = sharing, .renewed = true}, rng);
  const auto fitted = fit_curvature(
      subject.denoiser, subject.space, {.kind = kind, .sharing = sharing},
      [&](int64_t) { return subject.batch(1); }, 1, twin);
  for (size_t i = 0; i < fitted.blocks().size(); ++i) {
    const auto& want = fitted.blocks()[i];
    const auto& got = running.curvature()->blocks()[i];
    INFO(want.name);
    CHECK(got.tensors == want.tensors);
    CHECK(relative_error(got.eigenvalues, want.eigenvalues) < 1e-10);
  }
}

TEST_CASE("what was measured along old eigenvectors is carried over to new ones",
          "[training][curvature][oracle]") {
  Subject subject;
  RunningCurvature running(CurvatureKind::ekfac, subject.space);
  auto rng = make_generator(5, "targets");
  running.add(subject.tapped(0), {.kept = 0, .renewed = true}, rng);
  const auto before = running.curvature()->blocks();
  auto twin = rng.clone();
  constexpr double kKept = 0.7;
  running.add(subject.tapped(1), {.kept = kKept, .renewed = true}, rng);
  const auto after = running.curvature()->blocks();
  // The last batch alone, along the new ones.
  running.add(subject.tapped(1), {.kept = 0, .renewed = false}, twin);
  const auto& last = running.curvature()->blocks();
  int seen = 0;
  for (size_t i = 0; i < after.size(); ++i) {
    const bool small = after[i].left.defined() && after[i].eigenvalues.numel() <= 300;
    if (!small) continue;
    ++seen;
    INFO(after[i].name);
    CHECK(relative_error(before[i].left, after[i].left) > 1e-3);
    const auto old_basis = torch::kron(before[i].left, before[i].right);
    const auto basis = torch::kron(after[i].left, after[i].right);
    const auto old_form =
        old_basis.matmul(torch::diag(before[i].eigenvalues.flatten())).matmul(old_basis.t());
    const auto carried = basis.t().matmul(old_form).matmul(basis).diagonal();
    const auto want = (kKept * carried + last[i].eigenvalues.flatten()) / (kKept + 1);
    CHECK(relative_error(after[i].eigenvalues.flatten(), want) < 1e-10);
  }
  CHECK(seen > 3);
}

TEST_CASE("the quadratic form of a curvature is that of its product", "[training][curvature]") {
  Subject subject;
  auto rng = make_generator(5, "targets");
  RunningCurvature running(CurvatureKind::kfac, subject.space);
  running.add(subject.tapped(0), {.kept = 0.9, .renewed = false}, rng);
  const auto v = torch::randn({subject.space.dim()}, rng, torch::kFloat64);
  CHECK_THAT(running.curvature()->quadratic(v),
             WithinRel(v.dot(running.curvature()->matvec(v)).item<double>(), 1e-12));
}

TEST_CASE("a curvature that does not fit is refused by name and changes nothing",
          "[training][curvature][error]") {
  Subject subject;
  const auto kind = GENERATE(CurvatureKind::kfac, CurvatureKind::ekfac);
  auto rng = make_generator(5, "targets");
  RunningCurvature running(kind, subject.space);
  running.add(subject.tapped(0), {.kept = 0.9, .renewed = false}, rng);
  running.add(subject.tapped(1), {.kept = 0.9, .renewed = false}, rng);
  const auto good = copy_of(running.tensors());
  const auto same = [&](const TensorMap& tensors) {
    return tensors.size() == good.size() &&
           std::all_of(good.begin(), good.end(), [&](const auto& item) {
             return torch::equal(item.second, tensors.at(item.first));
           });
  };
  RunningCurvature other(kind, subject.space);
  other.load(good);
  CHECK(same(other.tensors()));

  const auto name = "curvature." + running.curvature()->blocks().front().name;
  auto bad = good;
  const auto refuses = [&](const std::string& what) {
    CHECK_THROWS_WITH(other.load(bad), Contains(what));
    CHECK_THROWS_AS(other.load(bad), CheckpointError);
    CHECK(same(other.tensors()));
    bad = good;
  };
  bad[name + ".left"] = bad[name + ".left"].narrow(0, 0, 1);
  refuses(name + ".left");
  bad.erase(name + ".inputs");
  refuses(name + ".inputs");
  bad["curvature.extra"] = torch::zeros({1});
  refuses("curvature.extra");
  bad[name + ".layout"] = torch::tensor({0, 1, 1 << 20, 0}, torch::kInt64);
  refuses(name + ".layout");
  bad[name + ".layout"] = torch::zeros({2});
  refuses(name + ".layout");
  bad.erase(name + ".layout");
  refuses("curvature.*.layout");
  bad = {};
  other.load(bad);
  CHECK(!other.curvature());
}
