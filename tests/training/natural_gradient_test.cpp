#include "training/natural_gradient.h"

#include "core/error.h"
#include "core/random.h"
#include "models/layers/linear.h"
#include "tests/support/catch.h"
#include "tests/support/relative_error.h"
#include "training/step_objective.h"
#include "training/train_step.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

/// F(x) = W x + b in float64; or, bent, sin(20 (W x + b)) / 20, which has the same slope at 0.
class AffineNetwork final : public ScoreNetwork {
 public:
  explicit AffineNetwork(bool bent) : bent_(bent) {
    torch::manual_seed(4);
    layer_ = register_module("layer", Linear(3, 3));
    to(torch::kFloat64);
  }
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor&,
                        const torch::Tensor&) override {
    const auto in = x.flatten(1).to(layer_->weight.scalar_type());
    const auto y = layer_->forward(in).to(x.scalar_type()).view(x.sizes());
    return bent_ ? (20 * y).sin() / 20 : y;
  }
  void use_type(at::ScalarType type) override {
    for (auto& parameter : parameters()) parameter.set_data(parameter.detach().to(type));
  }

 private:
  bool bent_;
  Linear layer_{nullptr};
};

/// Training of an affine denoiser of images of 3 pixels, step by step.
struct AffineRun {
  explicit AffineRun(const std::string& optimizer, bool bent = false)
      : preconditioning(make_preconditioning(kPreconditioning)),
        objective({.weighting = LossWeighting::x0, .adaptive = {}}, kPreconditioning),
        state(std::make_shared<AffineNetwork>(bent), {}, /*seed=*/3, torch::kCPU, {}, optimizer) {
    auto rng = make_generator(8, "data");
    const auto mix = torch::randn({3, 3}, rng, torch::kFloat64);
    x0 =
        (torch::randn({kCount, 3}, rng, torch::kFloat64).matmul(mix) + 0.4).view({kCount, 1, 1, 3});
    task.training.steps = 100;
    task.training.batch = kCount;
    task.optimizer.name = optimizer;
    task.optimizer.learning_rate = 1;
    task.optimizer.warmup_steps = 0;
    task.optimizer.natural = {.damping = 1e-15,
                              .factor_every = 1,
                              .inverse_every = 1,
                              .factor_decay = 0,
                              .kl_clip = 0,
                              .momentum = 0,
                              .images = kCount,
                              .targets = FisherTargets::every};
  }

  StepReport step() { return train_step(state, task, {x0, {}}); }
  torch::Tensor values() const { return state.parameters.values().clone(); }

  /// [x; 1] as the network sees them, [B, 4].
  torch::Tensor inputs(const StepReport& report) const {
    const auto sigma = per_sample(report.loss.sigma, x0);
    const auto c_in = per_sample(preconditioning->scaling(report.loss.sigma).c_in, x0);
    const auto x = (c_in * (x0 + sigma * report.loss.noise)).flatten(1);
    return torch::cat({x, torch::ones({kCount, 1}, torch::kFloat64)}, 1);
  }
  /// [W, b], [3, 4].
  torch::Tensor matrix(const torch::Tensor& values) const {
    const auto views = state.parameters.views(values);
    return torch::cat({views.at("layer.weight"), views.at("layer.bias").unsqueeze(1)}, 1);
  }

  /// Normal equations: a^T a [W, b]^T = a^T x_0.
  torch::Tensor optimum(const StepReport& report) const {
    const auto a = inputs(report);
    return torch::linalg_solve(a.t().matmul(a), a.t().matmul(x0.flatten(1))).t();
  }
  /// As a matrix.
  torch::Tensor velocity() const {
    const auto tensors = state.optimizer->tensors(state.parameters);
    return torch::cat(
        {tensors.at("velocity.layer.weight"), tensors.at("velocity.layer.bias").unsqueeze(1)}, 1);
  }

  static constexpr int64_t kCount = 24;
  inline static const PreconditioningOptions kPreconditioning = {.name = "x0", .sigma_data = 0.5};
  std::unique_ptr<Preconditioning> preconditioning;
  DenoisingScoreMatching objective;
  TrainingState state;
  TrainingTask task{{}, {}, objective, *preconditioning};
  torch::Tensor x0;
};

}  // namespace

TEST_CASE("the natural gradient step goes to the least-squares denoiser at once",
          "[training][optimizer][oracle]") {
  AffineRun run(GENERATE("kfac", "ekfac"));
  run.task.training.accumulate = GENERATE(1, 2);
  const auto start = run.matrix(run.values());
  const auto report = run.step();
  const auto a = run.inputs(report);
  const auto target = run.x0.flatten(1);
  const auto optimum = run.optimum(report);
  CHECK(relative_error(start, optimum) > 0.1);
  CHECK(relative_error(run.matrix(run.values()), optimum) < 1e-10);
  // The loss is the mean over numbers of -ln p: its fall is what the form says, in nats a number.
  const auto loss = [&](const torch::Tensor& w) {
    return (a.matmul(w.t()) - target).square().mean().item<double>();
  };
  CHECK_THAT(report.loss.weighted.mean().item<double>(), WithinRel(loss(start), 1e-12));
  REQUIRE(report.figures.front().first == "step_kl");
  CHECK_THAT(report.figures.front().second, WithinRel(loss(start) - loss(optimum), 1e-10));
}

TEST_CASE("a damped natural step is ridge regression around where it begins",
          "[training][optimizer][oracle]") {
  AffineRun run(GENERATE("kfac", "ekfac"));
  const double damping = 0.3;
  run.task.optimizer.natural.damping = damping;
  const auto start = run.matrix(run.values());
  const auto report = run.step();
  const auto a = run.inputs(report);
  // mean over 3 B numbers of the squared error, plus damping / 2 of the squared step
  const auto scale = 2.0 / (3 * AffineRun::kCount);
  const auto hessian = scale * a.t().matmul(a) + damping * torch::eye(4, torch::kFloat64);
  const auto slope = scale * (a.matmul(start.t()) - run.x0.flatten(1)).t().matmul(a);
  const auto want = start - torch::linalg_solve(hessian, slope.t()).t();
  CHECK(relative_error(run.matrix(run.values()), want) < 1e-10);
}

TEST_CASE("a step changes the denoiser by the divergence that bounds it",
          "[training][optimizer][oracle]") {
  AffineRun run("kfac");
  constexpr double kLimit = 1e-3;
  run.task.optimizer.natural.kl_clip = kLimit;
  run.task.optimizer.learning_rate = 0.7;
  run.task.optimizer.natural.momentum = 0.5;
  run.task.optimizer.warmup_steps = 2;  // at the first step half the rate: a quarter of the nats
  for (int64_t step = 1; step <= 3; ++step) {
    const auto before = run.matrix(run.values());
    const auto report = run.step();
    const auto moved =
        run.inputs(report).matmul((run.matrix(run.values()) - before).t());  // dD, [B, 3]
    // 1 / tau^2 = 2 / 3: KL = E |dD|^2 / (2 tau^2)
    const double kl = moved.square().sum(1).mean().item<double>() / 3;
    CHECK_THAT(kl, WithinRel(kLimit * (step == 1 ? 0.25 : 1), 1e-10));
    CHECK_THAT(report.figures.front().second, WithinRel(kl, 1e-10));
  }
  run.task.optimizer.natural.kl_clip = 1e6;  // binds no more: momentum and rate as they are
  const auto before = run.matrix(run.values()), velocity = run.velocity().clone();
  const auto report = run.step();
  const auto want = 0.5 * velocity + before - run.optimum(report);
  CHECK(relative_error(run.velocity(), want) < 1e-9);
  CHECK(relative_error(run.matrix(run.values()), before - 0.7 * want) < 1e-9);
}

TEST_CASE("a bound on a step holds as measured, whatever the curvature says",
          "[training][optimizer][oracle]") {
  AffineRun run(GENERATE("kfac", "ekfac"));
  auto& options = run.task.optimizer;
  const double limit = GENERATE(1e-5, 1e-3);
  options.natural.kl_clip = limit;
  options.natural.factor_every = options.natural.inverse_every = 1000;
  options.learning_rate = 1e6;
  run.step();
  // A hundred times the contrast, and then a hundredth, by the curvature of before.
  for (const double contrast : {100.0, 1e-4}) {
    run.x0 = contrast * run.x0;
    const auto before = run.matrix(run.values());
    const auto report = run.step();
    const auto moved = run.inputs(report).matmul((run.matrix(run.values()) - before).t());
    const double kl = moved.square().sum(1).mean().item<double>() / 3;
    CHECK_THAT(kl, WithinRel(limit, 1e-9));
    CHECK_THAT(report.figures.front().second, WithinRel(limit, 1e-9));
  }
}

TEST_CASE("damping falls where the quadratic model holds and rises where a step goes too far",
          "[training][optimizer][oracle]") {
  const bool bold = GENERATE(false, true);
  AffineRun run("kfac", bold);
  auto& options = run.task.optimizer;
  options.natural.damping = 0.01;
  options.natural.damping_rule = DampingRule::levenberg_marquardt;
  options.learning_rate = 1e-9;
  for (int step = 1; step <= 4; ++step) {
    CHECK(run.step().figures.back() == std::pair<std::string, double>("damping", 0.01));
  }
  // Where the network bends a long step ends with a loss above the start's.
  options.learning_rate = bold ? 0.5 : 1;
  constexpr double kChange = 0.95 * 0.95 * 0.95 * 0.95 * 0.95;
  CHECK_THAT(run.step().figures.back().second,
             WithinRel(bold ? 0.01 / kChange : 0.01 * kChange, 1e-12));
}

TEST_CASE("an objective evaluated again is its loss, and moves no generator",
          "[training][optimizer][property]") {
  AffineRun run("adamw");
  run.task.training.accumulate = 3;
  auto rng = make_generator(6, "test");
  const auto u = DenoisingScoreMatching::draw_uniform(AffineRun::kCount, run.x0, rng);
  const DrawnBatch batch = {run.x0,
                            {},
                            u,
                            run.objective.sigma_at(u, run.x0),
                            torch::rand({AffineRun::kCount}, rng, torch::kFloat64)};
  PreconditionedDenoiser denoiser(*run.state.network, *run.preconditioning);
  auto loss = run.objective.loss(denoiser, batch.x0, batch.sigma, rng);
  loss.weighted = loss.weighted * batch.weight;
  const auto before = run.state.dropout_rng.get_state();
  torch::rand({5}, run.state.dropout_rng);  // the step's masks
  const auto after = run.state.dropout_rng.get_state();
  const StepObjective objective(
      {*run.state.network, run.state.parameters, *run.preconditioning, run.objective,
       run.state.dropout_rng, run.task.training.accumulate},
      batch, loss, before);
  CHECK_THAT(objective.evaluate().loss, WithinRel(objective.loss(), 1e-12));
  CHECK(objective.evaluate().kl < 1e-24);
  CHECK(torch::equal(run.state.dropout_rng.get_state(), after));
  // Its gradient, which leaves the parameters' own as it was.
  const auto everyone = torch::arange(AffineRun::kCount);
  const auto gradient = objective.gradient(everyone);
  for (const auto& parameter : run.state.network->parameters()) {
    CHECK_FALSE(parameter.grad().defined());
  }
  loss.weighted.mean().backward();
  const ParameterSpace space(*run.state.network);
  std::vector<torch::Tensor> own;
  for (const auto& parameter : space.parameters()) own.push_back(parameter.grad());
  CHECK(relative_error(gradient, space.flat(own)) < 1e-12);
  const auto halves = 0.5 * (objective.gradient(everyone.slice(0, 0, {}, 2)) +
                             objective.gradient(everyone.slice(0, 1, {}, 2)));
  CHECK(relative_error(halves, gradient) < 1e-12);
  // Its regression has the loss as its -ln p.
  objective.regress(AffineRun::kCount, [&](Denoiser& same, const RegressionBatch& all) {
    const auto error = (whitened(same, all) - all.x0 / per_sample(all.tau, all.x0)).square();
    CHECK_THAT(0.5 * error.flatten(1).sum(1).mean().item<double>(),
               WithinRel(objective.loss(), 1e-12));
  });
  objective.regress(5, [&](Denoiser&, const RegressionBatch& some) {
    REQUIRE(some.size() == 5);
    CHECK(some.sigma.min().item<double>() <= batch.sigma.quantile(0.21).item<double>());
    CHECK(some.sigma.max().item<double>() >= batch.sigma.quantile(0.75).item<double>());
  });
  // It sees new values also where the network computes with copies.
  run.state.network->use_type(torch::kFloat32);
  run.state.parameters.values().mul_(1.5);
  CHECK(objective.evaluate().kl > 1e-3);
}
