#include <numbers>
#include <sstream>
#include <string>

#include "core/empirical_denoiser.h"
#include "data/toy_distribution.h"
#include "tests/fisher/measure.h"

using namespace halcyon;
using namespace halcyon::testing;

// Tables of closed forms by an independent program, in float64 with quadrature of its own.  Columns
// as named above each; every printed digit counts.

namespace {

const auto kDouble = torch::kFloat64;

struct Row {
  double sigma;
  std::vector<std::string> printed;
};

std::vector<Row> rows(const std::string& table) {
  std::vector<Row> all;
  std::istringstream lines(table);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    Row row{};
    if (!(words >> row.sigma)) continue;
    for (std::string word; words >> word;) row.printed.push_back(word);
    all.push_back(row);
  }
  return all;
}

/// Half a unit in the last digit printed.
double half_unit(const std::string& printed) {
  const auto point = printed.find('.');
  const auto e = printed.find('e');
  const auto mantissa_end = e == std::string::npos ? printed.size() : e;
  const int exponent = e == std::string::npos ? 0 : std::stoi(printed.substr(e + 1));
  return 0.5 * std::pow(10.0, exponent - static_cast<int>(mantissa_end - point - 1));
}

void require_row(const Row& row, const std::vector<double>& values) {
  REQUIRE(row.printed.size() == values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    INFO("sigma " << row.sigma << ", column " << i);
    const double printed = std::stod(row.printed[i]);
    REQUIRE_THAT(values[i], WithinAbs(printed, half_unit(row.printed[i]) + 1e-14 * printed));
  }
}

GaussianMixture diagonal(const std::vector<double>& variances) {
  const auto v = torch::tensor(variances, kDouble);
  return {torch::ones({1}), torch::zeros({1, v.size(0)}), v};
}

/// 1/2 N(-m u, v I) + 1/2 N(m u, v I), u along the diagonal.
GaussianMixture two_bumps(int64_t dim, double m, double v) {
  const auto u = torch::full({dim}, 1 / std::sqrt(static_cast<double>(dim)), kDouble);
  return {torch::full({2}, 0.5), torch::stack({-m * u, m * u}), torch::full({dim}, v)};
}

double bits_per_dim(double nats, double d) { return nats / d / std::numbers::ln2; }

/// The spectrum of F = E[s s^T] of one Gaussian.
torch::Tensor fisher_spectrum(const GaussianMixture& gaussian, double sigma) {
  return (gaussian.variances() + sigma * sigma).reciprocal();
}

double participation_ratio(const torch::Tensor& spectrum) {
  return (spectrum.sum().square() / spectrum.square().sum()).item<double>();
}

/// J of a sign +-m in noise.
double sign_fisher_information(double m, double sigma) {
  return two_bumps(1, m, 0).fisher_information(sigma);
}

// sigma, J, mmse, j, C = d / sigma^2 - J, h in nats, h in bits / dim
constexpr auto kIsotropic = R"(
   0.05    15.84158416     0.00990099   0.00990099    1584.158416   2.92306607   1.05427323
   0.10    15.38461538     0.03846154   0.03846154     384.615385   2.98160684   1.07538735
   0.20    13.79310345     0.13793103   0.13793103      86.206897   3.20000542   1.15415799
   0.50     8.00000000     0.50000000   0.50000000       8.000000   4.28945977   1.54709559
   1.00     3.20000000     0.80000000   0.80000000       0.800000   6.12204124   2.20805963
   2.00     0.94117647     0.94117647   0.94117647       0.058824   8.56959210   3.09082701
   5.00     0.15841584     0.99009901   0.99009901       0.001584  12.13340644   4.37620133
  10.00     0.03990025     0.99750623   0.99750623       0.000100  14.89108827   5.37082480)";

// sigma, J, mmse, j, d - sigma^2 J, PR, entropy rank, greatest and least eigenvalue of F
constexpr auto kDeficient = R"(
   0.05     405.207746   0.00746745  0.25325484   2.986981   1.02610   1.08042    400.00000     0.249844
   0.10     105.085629   0.02949144  0.26271407   2.949144   1.10255   1.25428    100.00000     0.249377
   0.20      29.657339   0.11254826  0.29657339   2.813706   1.37888   1.72516     25.00000     0.247525
   0.50       7.035294   0.56029412  0.43970588   2.241176   2.39162   2.82770      4.00000     0.235294
   1.00       2.500000   1.50000000  0.62500000   1.500000   3.23834   3.50812      1.00000     0.200000
   2.00       0.810294   3.03529412  0.81029412   0.758824   3.78456   3.87888      0.25000     0.125000
   5.00       0.152548   4.65733908  0.95342661   0.186294   3.98692   3.99332      0.04000     0.034483
  10.00       0.039491   5.08562941  0.98728593   0.050856   3.99904   3.99952      0.01000     0.009615)";

// sigma, mmse, J, j, I(x_0; x), h, in nats
constexpr auto kSign = R"(
   0.05  8.645741597e-89    400.000000000   1.000000000  0.693147181  -0.88364656
   0.10  2.388383471e-23    100.000000000   1.000000000  0.693147181  -0.19049938
   0.20  8.928200429e-07     24.999441987   0.999977679  0.693146317   0.50264694
   0.50  6.859740879e-02      2.902441459   0.725610365  0.632720194   1.35851155
   1.00  4.495995092e-01      0.550400491   0.550400491  0.336830820   1.75576935
   2.00  7.959457344e-01      0.200253392   0.801013566  0.111421482   2.22350720
   5.00  9.615031010e-01      0.038461595   0.961539876  0.019610173   3.04798662
  10.00  9.900983752e-01      0.009900990   0.990099016  0.004975165   3.72649879)";

// sigma, J(d = 1), J(16), mmse(16), j(16), h(1), h(16), I(c; x) in nats, class gap
constexpr auto kMixture = R"(
   0.05    3.95369674    63.3596373    0.03960400  0.0098999   1.4238120   12.3853098  0.69304553  6.69930e-03
   0.10    3.83811103    61.5304187    0.15384696  0.0384565   1.4384196   12.6194453  0.69301794  8.04282e-03
   0.20    3.43325216    55.1573901    0.55174818  0.1378935   1.4928495   13.4928699  0.69284819  1.50237e-02
   0.50    1.88517988    31.8851799    2.00717626  0.4982059   1.7589008   17.8443749  0.68653582  1.14820e-01
   1.00    0.51788635    12.5178863    3.48211365  0.7823679   2.1281605   25.0858151  0.59765020  2.82114e-01
   2.00    0.13149941     3.6609112    5.42542123  0.9152278   2.4657268   34.6016972  0.32332881  1.03795e-01
   5.00    0.03419673     0.6282561    7.33991352  0.9816502   3.1068474   48.6071215  0.07349575  5.40723e-03
  10.00    0.00959234     0.1592183    7.81724724  0.9951142   3.7423343   59.5839153  0.01956222  3.82722e-04)";

// sigma, J, j, d - sigma^2 J, mmse, sigma^2 F at pixels (0, 0), (0, 3), (4, 4)
constexpr auto kLowRank = R"(
   0.05     23605.520080   0.92209063   4.986200   0.01246550   0.84019552   0.92445499   0.95550040
   0.10      5905.397467   0.92271835   4.946025   0.04946025   0.84150541   0.92529948   0.95627465
   0.20      1479.967208   0.92497950   4.801312   0.19205247   0.84628489   0.92827872   0.95897726
   0.50       239.332127   0.93489112   4.166968   1.04174208   0.86842752   0.94003627   0.96896735
   1.00        60.758824   0.94935662   3.241176   3.24117647   0.90294592   0.95381529   0.97801113
   2.00        15.485294   0.96783088   2.058824   8.23529412   0.94430375   0.96984832   0.98472348
   5.00         2.531421   0.98883643   0.714468  17.86171250   0.98312141   0.98923999   0.99330676
  10.00         0.637728   0.99644924   0.227249  22.72488671   0.99489335   0.99655373   0.99768592)";

// sigma, J, j, mmse / d, d - sigma^2 J, PR, h in bits / dim
constexpr auto kStationary = R"(
   0.05     38782.730850  0.378737606   0.0015531560   159.043173   195.0355  -1.34337977
   0.10     16348.597233  0.638617079   0.0036138292    92.514028   222.3940  -0.83209449
   0.20      5289.769008  0.826526408   0.0069389437    44.409240   241.1807  -0.09156883
   0.50       970.161087  0.947422936   0.0131442659    13.459728   252.6636   1.09373892
   1.00       251.452833  0.982237630   0.0177623703     4.547167   255.3494   2.06120720
   2.00        63.671518  0.994867474   0.0205301026     1.313927   255.9255   3.05092278
   5.00        10.231102  0.999131070   0.0217232599     0.222446   255.9975   4.36965427
  10.00         2.559439  0.999780795   0.0219205425     0.056117   255.9998   5.36918205)";

// sigma, J, mmse, I(x_0; x) in nats
constexpr auto kHypercube = R"(
   0.2   74.998325962   2.678460129e-06   2.079438952
   0.5    8.707324378   2.057922264e-01   1.898160581
   1.0    1.651201472   1.348798528e+00   1.010492461
   2.0    0.600760175   2.387837203e+00   0.334264447)";

}  // namespace

TEST_CASE("an isotropic Gaussian agrees with its table", "[fisher][oracle][statistical]") {
  auto data = diagonal({0.25, 0.25, 0.25, 0.25});
  auto rng = make_generator(1, "test");
  const auto x0 = data.sample(20000, rng);
  for (const auto& row : rows(kIsotropic)) {
    const double s2 = row.sigma * row.sigma;
    const double info = data.fisher_information(row.sigma);
    const double h = data.entropy(row.sigma);
    require_row(row,
                {info, data.mmse(row.sigma), s2 * info / 4, 4 / s2 - info, h, bits_per_dim(h, 4)});
    require_levels(measure(data, x0, row.sigma), info, data.mmse(row.sigma));
  }
}

TEST_CASE("a rank-deficient Gaussian agrees with its table", "[fisher][oracle][statistical]") {
  auto data = diagonal({4, 1, 0.25, 0});
  auto rng = make_generator(2, "test");
  const auto x0 = data.sample(20000, rng);
  for (const auto& row : rows(kDeficient)) {
    const double s2 = row.sigma * row.sigma;
    const double info = data.fisher_information(row.sigma);
    const auto spectrum = fisher_spectrum(data, row.sigma);
    const auto share = spectrum / spectrum.sum();
    const double rank = std::exp(-(share * share.log()).sum().item<double>());
    require_row(row, {info, data.mmse(row.sigma), s2 * info / 4, 4 - s2 * info,
                      participation_ratio(spectrum), rank, spectrum.max().item<double>(),
                      spectrum.min().item<double>()});
    const auto e = measure(data, x0, row.sigma);
    require_levels(e, info, data.mmse(row.sigma));
    REQUIRE_THAT(e.participation_ratio, WithinRel(participation_ratio(spectrum), 0.03));
  }
}

TEST_CASE("a sign in noise agrees with its table", "[fisher][oracle][statistical]") {
  EmpiricalDenoiser denoiser(torch::tensor({{-1.0}, {1.0}}));
  const auto data = two_bumps(1, 1, 0);
  auto rng = make_generator(3, "test");
  for (const auto& row : rows(kSign)) {
    const double s2 = row.sigma * row.sigma;
    const double info = data.fisher_information(row.sigma);
    const double told = sign_information(1 / s2);
    require_row(row, {sign_mmse(1 / s2), info, s2 * info, told,
                      told + 0.5 * std::log(2 * M_PI * M_E * s2)});
    REQUIRE_THAT(data.mmse(row.sigma), WithinRel(sign_mmse(1 / s2), 1e-12));
    REQUIRE_THAT(data.component_information(row.sigma), WithinRel(told, 1e-12));
    if (row.sigma < 0.5) continue;  // no sample would cross
    const auto x0 = data.sample(enough_samples(1, row.sigma), rng);
    require_levels(measure(denoiser, x0, row.sigma), info, data.mmse(row.sigma));
  }
}

TEST_CASE("a mixture of two Gaussians agrees with its table", "[fisher][oracle][statistical]") {
  const auto line = two_bumps(1, 2, 0.25);
  auto data = find_toy("toy:mixture").make();
  auto rng = make_generator(4, "test");
  REQUIRE_THAT(line.entropy(0), WithinAbs(1.418844998, 0.5e-9));
  REQUIRE_THAT(data.entropy(0), WithinAbs(12.305715288, 0.5e-9));
  for (const auto& row : rows(kMixture)) {
    const double s2 = row.sigma * row.sigma;
    const double info = data.fisher_information(row.sigma);
    const double gap = 1 / (0.25 + s2) - line.fisher_information(row.sigma);
    require_row(row, {line.fisher_information(row.sigma), info, data.mmse(row.sigma),
                      s2 * info / 16, line.entropy(row.sigma), data.entropy(row.sigma),
                      data.component_information(row.sigma), gap});
    if (row.sigma < 1) continue;  // too few samples would cross
    const auto x0 = data.sample(enough_samples(2, std::sqrt(0.25 + s2)), rng).view({-1, 1, 4, 4});
    require_levels(measure(data, x0, row.sigma), info, data.mmse(row.sigma));
  }
}

TEST_CASE("the class gap of the mixture is that of its table", "[fisher][oracle][statistical]") {
  auto data = find_toy("toy:mixture").make();
  auto rng = make_generator(5, "test");
  for (const auto& row : rows(kMixture)) {
    if (row.sigma < 1) continue;
    const double total = 0.25 + row.sigma * row.sigma;
    const int64_t n = enough_samples(2, std::sqrt(total));
    const auto mean = data.means()[0];
    const auto x = mean + std::sqrt(total) * torch::randn({n, 16}, rng, kDouble);
    const auto sigma = torch::full({n}, row.sigma, kDouble);
    SampleMoments moments(1);
    const auto difference = (mean - x) / total - score(data, x, sigma);
    moments.add(difference.square().sum(1, /*keepdim=*/true));
    require_estimate(moments.mean(0), std::stod(row.printed.back()));
  }
}

TEST_CASE("waves of low rank agree with their table and maps", "[fisher][oracle][statistical]") {
  auto data = find_toy("toy:lowrank").make();
  auto rng = make_generator(6, "test");
  const auto x0 = data.sample(20000, rng).view({-1, 1, 8, 8});
  for (const auto& row : rows(kLowRank)) {
    const double s2 = row.sigma * row.sigma;
    const double info = data.fisher_information(row.sigma);
    const auto map = s2 * data.fisher_map(row.sigma).view({8, 8});
    REQUIRE_THAT(map.sum().item<double>(), WithinRel(s2 * info, 1e-12));
    require_row(
        row, {info, s2 * info / 64, 64 - s2 * info, data.mmse(row.sigma), map[0][0].item<double>(),
              map[0][3].item<double>(), map[4][4].item<double>()});
    if (row.sigma != 0.1 && row.sigma != 2) continue;
    const auto e = measure(data, x0, row.sigma);
    require_levels(e, info, data.mmse(row.sigma));
    REQUIRE_THAT(e.participation_ratio,
                 WithinRel(participation_ratio(fisher_spectrum(data, row.sigma)), 0.03));
  }
}

TEST_CASE("a stationary field agrees with its table and has a constant map",
          "[fisher][oracle][statistical]") {
  auto data = find_toy("toy:stationary").make();
  auto rng = make_generator(7, "test");
  const auto x0 = data.sample(20000, rng).view({-1, 1, 16, 16});
  REQUIRE_THAT(data.variances().mean().item<double>(), WithinAbs(0.0219881158, 0.5e-10));
  REQUIRE_THAT(data.entropy(0), WithinAbs(-307.39212362, 0.5e-8));
  for (const auto& row : rows(kStationary)) {
    const double s2 = row.sigma * row.sigma;
    const double info = data.fisher_information(row.sigma);
    const auto spectrum = fisher_spectrum(data, row.sigma);
    require_row(row, {info, s2 * info / 256, data.mmse(row.sigma) / 256, 256 - s2 * info,
                      participation_ratio(spectrum), bits_per_dim(data.entropy(row.sigma), 256)});
    REQUIRE(torch::allclose(data.fisher_map(row.sigma), torch::full({256}, info / 256, kDouble),
                            1e-12));
    if (row.sigma != 0.1) continue;
    const auto e = measure(data, x0, row.sigma);
    require_levels(e, info, data.mmse(row.sigma));
    REQUIRE_THAT(e.participation_ratio, WithinRel(participation_ratio(spectrum), 0.03));
  }
}

TEST_CASE("the corners of a cube agree with their table", "[fisher][oracle][statistical]") {
  const auto sign = torch::tensor({-1.0F, 1.0F});
  EmpiricalDenoiser denoiser(torch::cartesian_prod({sign, sign, sign}));
  auto rng = make_generator(8, "test");
  for (const auto& row : rows(kHypercube)) {
    const double s2 = row.sigma * row.sigma;
    const double info = 3 * sign_fisher_information(1, row.sigma);
    const double mmse = 3 * sign_mmse(1 / s2);
    require_row(row, {info, mmse, 3 * sign_information(1 / s2)});
    if (row.sigma < 0.5) continue;
    const auto x0 = 2.0 * torch::randint(0, 2, {enough_samples(1, row.sigma), 3}, rng, kDouble) - 1;
    require_levels(measure(denoiser, x0, row.sigma), info, mmse);
  }
}

TEST_CASE("two images have the information of a sign along their difference",
          "[fisher][oracle][statistical]") {
  // A disc and a cross on 8 x 8 pixels.
  const auto at = torch::arange(8, torch::kFloat32) - 3.5;
  const auto disc = (at.square().unsqueeze(1) + at.square() < 9).to(torch::kFloat32);
  const auto cross = ((at.unsqueeze(1).abs() < 1).logical_or(at.abs() < 1)).to(torch::kFloat32);
  const auto images = 2 * torch::stack({disc, cross}).unsqueeze(1) - 1;
  const double m = (images[0] - images[1]).to(kDouble).norm().item<double>() / 2;
  EmpiricalDenoiser denoiser(images);
  auto rng = make_generator(9, "test");
  for (const double over : {0.6, 1.0, 3.0}) {
    const double sigma = over * m;
    const double info = 63 / (sigma * sigma) + sign_fisher_information(m, sigma);
    const double mmse = m * m * sign_mmse(1 / (over * over));
    const GaussianMixture points(torch::full({2}, 0.5), images.flatten(1), torch::zeros({64}));
    REQUIRE_THAT(points.fisher_information(sigma), WithinRel(info, 1e-12));
    REQUIRE_THAT(points.mmse(sigma), WithinRel(mmse, 1e-12));
    const auto x0 = points.sample(enough_samples(m, sigma), rng).view({-1, 1, 8, 8});
    require_levels(measure(denoiser, x0.to(torch::kFloat32), sigma), info, mmse);
  }
}
