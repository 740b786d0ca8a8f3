#include "training/train_step.h"

#include "core/error.h"
#include "core/gaussian_mixture.h"
#include "core/random.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

/// The smallest network with all that a run must keep: weights, a buffer, labels and dropout.
class TinyNetwork final : public ScoreNetwork {
 public:
  TinyNetwork() {
    torch::manual_seed(5);
    linear_ = register_module("linear", torch::nn::Linear(5, 16));
    label_ = register_module("label", torch::nn::Embedding(4, 16));
    out_ = register_module("out", torch::nn::Linear(16, 4));
    scale_ = register_buffer("scale", torch::full({1}, 0.5));
  }

  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& c_noise,
                        const torch::Tensor& label) override {
    const auto in = torch::cat({x.flatten(1), (scale_ * c_noise).unsqueeze(1)}, 1);
    auto h = linear_->forward(in.to(linear_->weight.scalar_type())).to(x.scalar_type());
    if (label.defined()) h = h + label_->forward(label);
    if (is_training()) h = h * torch::bernoulli(torch::full_like(h, 0.9), rng_) / 0.9;
    return out_->forward(torch::silu(h)).view(x.sizes());
  }

  int64_t num_classes() const override { return 3; }
  void use_generator(const at::Generator& rng) override { rng_ = rng; }
  void use_type(at::ScalarType type) override {
    for (auto& parameter : linear_->parameters()) parameter.set_data(parameter.detach().to(type));
  }

 private:
  torch::nn::Linear linear_{nullptr};
  torch::nn::Embedding label_{nullptr};
  torch::nn::Linear out_{nullptr};
  torch::Tensor scale_;
  at::Generator rng_;
};

struct Run {
  Run() {
    preconditioning_options.sigma_data = 0.5;
    preconditioning = make_preconditioning(preconditioning_options);
    objective = std::make_unique<DenoisingScoreMatching>(loss, preconditioning_options);
    training.steps = 40;
    training.batch = 12;
    optimizer.learning_rate = 0.01;
    optimizer.warmup_steps = 5;
    ema.halflife_images = {50, 200};
  }

  TrainingState fresh() const {
    TrainingState state(std::make_shared<TinyNetwork>(), ema, /*seed=*/3, torch::kCPU,
                        loss.adaptive);
    state.network->use_type(scalar_type(training.precision));
    return state;
  }

  /// The batch at the state's position of one endless data stream.
  TrainingBatch batch_at(int64_t images) const {
    auto rng = make_generator(8, "data", images);
    return {0.5 * torch::randn({training.batch, 1, 2, 2}, rng),
            torch::randint(0, 3, {training.batch}, rng, torch::kInt64)};
  }

  void advance(TrainingState& state, int64_t until) const {
    const TrainingTask task{training, optimizer, *objective, *preconditioning};
    train(
        state, task, [&] { return batch_at(state.images); },
        [&](const StepReport& report) { return report.step < until; });
  }

  PreconditioningOptions preconditioning_options;
  std::unique_ptr<Preconditioning> preconditioning;
  std::unique_ptr<DenoisingScoreMatching> objective;
  LossOptions loss;
  TrainingOptions training;
  OptimizerOptions optimizer;
  EmaOptions ema;
};

TensorMap copy_of(const TensorMap& tensors) {
  TensorMap copy;
  for (const auto& [name, tensor] : tensors) copy[name] = tensor.clone();
  return copy;
}

bool same(const TensorMap& a, const TensorMap& b) {
  if (a.size() != b.size()) return false;
  for (const auto& [name, tensor] : a) {
    if (!torch::equal(tensor, b.at(name))) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("2N steps equal N steps then a load into fresh objects then N bit for bit",
          "[training][roundtrip]") {
  Run run;
  run.training.precision = GENERATE(Precision::fp32, Precision::bf16);
  run.training.accumulate = GENERATE(1, 3);
  run.loss.adaptive.adaptive =
      GENERATE(NoiseAdaptation::none, NoiseAdaptation::information, NoiseAdaptation::divergence);
  run.loss.adaptive.adaptive_bins = 3;  // of 64 images: the density moves from step 16 on
  auto whole = run.fresh();
  run.advance(whole, 40);

  auto first = run.fresh();
  run.advance(first, 20);
  auto second = run.fresh();
  second.load_weights(copy_of(first.weights(first.parameters.values())),
                      second.parameters.values());
  for (size_t k = 0; k < 2; ++k) {
    second.load_weights(copy_of(first.weights(first.emas[k].average)), second.emas[k].average);
  }
  second.load_training_tensors(copy_of(first.training_tensors()));
  REQUIRE(second.step == 20);
  run.advance(second, 40);

  REQUIRE(second.images == 40 * 12);
  REQUIRE(
      same(whole.weights(whole.parameters.values()), second.weights(second.parameters.values())));
  REQUIRE(same(whole.weights(whole.emas[1].average), second.weights(second.emas[1].average)));
  REQUIRE(same(whole.training_tensors(), second.training_tensors()));
}

TEST_CASE("training lowers the loss of a Gaussian towards its floor of 1", "[training]") {
  Run run;
  run.training.steps = 600;
  run.training.batch = 64;
  auto state = run.fresh();
  double first = 0, last = 0;
  const TrainingTask task{run.training, run.optimizer, *run.objective, *run.preconditioning};
  train(
      state, task, [&] { return run.batch_at(state.images); },
      [&](const StepReport& report) {
        const double loss = report.loss.weighted.mean().item<double>();
        if (report.step <= 20) first += loss / 20;
        if (report.step > 500) last += loss / 100;
        return true;
      });
  INFO("from " << first << " to " << last);
  REQUIRE(last - 1 < 0.3 * (first - 1));  // of what can be lowered
  // The mean over 6400 samples of a loss whose floor is 1 and whose spread is about 0.7.
  REQUIRE(last > 1 - 5 * 0.7 / 80);
}

TEST_CASE("parts of a batch cover the noise levels of the whole batch", "[training][property]") {
  Run run;
  run.training.accumulate = 4;
  auto state = run.fresh();
  const TrainingTask task{run.training, run.optimizer, *run.objective, *run.preconditioning};
  const auto report = train_step(state, task, run.batch_at(0));
  REQUIRE(report.loss.sigma.size(0) == 12);
  REQUIRE(std::get<0>(at::_unique(report.loss.sigma)).size(0) == 12);
  REQUIRE(report.images == 12);
}

TEST_CASE("a loss that is not finite stops with step and sigma and changes nothing",
          "[training][error]") {
  Run run;
  auto state = run.fresh();
  run.advance(state, 3);
  const auto before = state.parameters.values().clone();
  auto batch = run.batch_at(state.images);
  batch.x0[0][0][0][0] = std::numeric_limits<float>::quiet_NaN();
  const TrainingTask task{run.training, run.optimizer, *run.objective, *run.preconditioning};
  REQUIRE_THROWS_AS(train_step(state, task, batch), NonFiniteError);
  REQUIRE_THROWS_WITH(train_step(state, task, batch), Contains("step 4") && Contains("sigma"));
  REQUIRE(torch::equal(state.parameters.values(), before));
  REQUIRE(state.step == 3);
}

TEST_CASE("weights that do not fit are refused by name and change nothing", "[training][error]") {
  Run run;
  auto state = run.fresh();
  auto tensors = copy_of(state.weights(state.parameters.values()));
  const auto load = [&] { state.load_weights(tensors, state.parameters.values()); };
  const auto weight = tensors.at("out.weight");
  tensors.erase("out.weight");
  REQUIRE_THROWS_WITH(load(), Contains("'out.weight' is missing"));
  tensors["out.weight"] = torch::zeros({4, 15});
  REQUIRE_THROWS_WITH(load(), Contains("out.weight") && Contains("[4, 16]") && Contains("[4, 15]"));
  tensors["out.weight"] = weight;
  tensors["extra"] = weight;
  REQUIRE_THROWS_WITH(load(), Contains("unknown tensor 'extra'"));
}

TEST_CASE("training options out of range are refused by name", "[training][error]") {
  TrainingOptions options;
  options.accumulate = 5;
  REQUIRE_THROWS_WITH(check_options(options), Contains("training.accumulate"));
  options.accumulate = 1;
  options.steps = 0;
  REQUIRE_THROWS_WITH(check_options(options), Contains("training.steps"));
}
