#include "config/options.h"

#include "core/denoising_loss.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

struct Everything {
  std::string path;
  bool flip = false;
  int64_t count = -3;
  uint64_t seed = 7;
  double rate = 1e-4;
  SigmaDistribution distribution = SigmaDistribution::vp;
  std::vector<int64_t> mult = {1, 2, 2};
  std::vector<double> halflives;
  LossOptions loss;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.path, "path", "where the data is");
    field(self.flip, "flip", "mirror");
    field(self.count, "count", "how many");
    field(self.seed, "seed", "seed");
    field(self.rate, "rate", "learning rate");
    field(self.distribution, "distribution", "of sigma");
    field(self.mult, "mult", "multipliers");
    field(self.halflives, "halflives", "half-lives");
  }
  template <class Self, class Section>
  static void sections(Self& self, Section&& section) {
    section("loss", self.loss);
  }
};

}  // namespace

TEST_CASE("options round trip through their INI text", "[config][roundtrip]") {
  Everything options;
  options.path = "/data/with spaces = and signs";
  options.flip = true;
  options.rate = 1.0 / 3.0;
  options.mult = {4};
  options.halflives = {0.1, 1e300};
  options.loss.p_mean = -0.1;
  const auto text = OptionSet(options).to_ini();
  Everything back;
  OptionSet set(back);
  set.read_ini(text, "test");
  INFO(text);
  REQUIRE(set.to_ini() == text);
  REQUIRE(back.path == options.path);
  REQUIRE(back.rate == options.rate);
  REQUIRE(back.halflives == options.halflives);
  REQUIRE(back.loss.p_mean == options.loss.p_mean);
}

TEST_CASE("the command line overrides the file and the file the defaults", "[config]") {
  Everything options;
  OptionSet set(options);
  set.read_ini("count = 1\nrate = 0.5  # a comment\n[loss]\np_std = 2\n", "test.ini");
  const auto rest = set.read_command_line(
      {"run", "--rate", "-0.25", "--flip", "--loss.p_mean=-2", "--mult", "1,3", "extra"});
  REQUIRE(options.count == 1);
  REQUIRE(options.rate == -0.25);
  REQUIRE(options.flip);
  REQUIRE(options.loss.p_std == 2);
  REQUIRE(options.loss.p_mean == -2);
  REQUIRE(options.mult == std::vector<int64_t>{1, 3});
  REQUIRE(options.seed == 7);
  REQUIRE(rest == std::vector<std::string>{"run", "extra"});
  REQUIRE(set.read_command_line({"--flip", "false"}).empty());
  REQUIRE_FALSE(options.flip);
  const auto words = set.read_command_line({"--loss.p-mean=-3", "--path", "--a-b", "two-words"});
  REQUIRE(options.loss.p_mean == -3);
  REQUIRE(options.path == "--a-b");
  REQUIRE(words == std::vector<std::string>{"two-words"});
}

TEST_CASE("a misspelt key is an error that names the nearest one", "[config][error]") {
  Everything options;
  OptionSet set(options);
  REQUIRE_THROWS_AS(set.read_ini("[loss]\np_maen = 0\n", "run.ini"), ConfigError);
  REQUIRE_THROWS_WITH(
      set.read_ini("[loss]\np_maen = 0\n", "run.ini"),
      Contains("run.ini") && Contains("'loss.p_maen'") && Contains("'loss.p_mean'"));
  REQUIRE_THROWS_WITH(set.read_command_line({"--los.p_mean", "1"}),
                      Contains("los.p_mean") && Contains("'loss.p_mean'"));
  REQUIRE_THROWS_WITH(set.read_ini("count = 1\ncount = 2\n", "run.ini"), Contains("twice"));
}

TEST_CASE("a bad value is an error that names key, value and type", "[config][error]") {
  Everything options;
  OptionSet set(options);
  const auto fails = [&](const std::string& key, const std::string& value,
                         const std::string& wanted) {
    INFO(key << " = " << value);
    REQUIRE_THROWS_WITH(set.set(key, value, "run.ini"), Contains("run.ini") && Contains(key) &&
                                                            Contains("'" + value + "'") &&
                                                            Contains(wanted));
  };
  fails("count", "12x", "whole number");
  fails("count", "1.5", "whole number");
  fails("count", "99999999999999999999", "whole number");
  fails("seed", "-1", "whole number >= 0");
  fails("rate", "fast", "number");
  fails("rate", "", "number");
  fails("flip", "maybe", "true or false");
  fails("distribution", "vpp", "lognormal|process|vp|log_uniform");
  fails("mult", "1,,2", "whole number");
  REQUIRE_THROWS_WITH(set.read_command_line({"--count"}), Contains("--count"));
}

TEST_CASE("missing and malformed files are errors that name the file", "[config][error]") {
  Everything options;
  OptionSet set(options);
  REQUIRE_THROWS_WITH(set.read_ini_file("/no/such.ini"), Contains("/no/such.ini"));
  REQUIRE_THROWS_AS(set.read_ini_file("/"), ConfigError);
  REQUIRE_THROWS_WITH(set.read_ini("no equals sign\n", "run.ini"), Contains("run.ini"));
}

TEST_CASE("values that an INI file cannot hold are refused when written", "[config][error]") {
  Everything options;
  options.path = "a#b";
  REQUIRE_THROWS_WITH(OptionSet(options).to_ini(), Contains("path") && Contains("a#b"));
}

TEST_CASE("help names every key with its type and present value", "[config]") {
  Everything options;
  const auto help = OptionSet(options).help();
  for (const char* part : {"--loss.p_mean", "mean of ln sigma", "default -1.2", "edm|epsilon|x0"}) {
    REQUIRE_THAT(help, Contains(part));
  }
}
